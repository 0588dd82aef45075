//! Bundles the lesson page of `web/` into the binary, when Node and npm are
//! there.
//!
//! Everything happens in a copy below `OUT_DIR`: the source tree stays clean.
//! npm fetches what `package-lock.json` pins, runs no install scripts, and is
//! asked again only when that file changes. Without Node, or without a network
//! on the first build, the broker is built all the same and says at `/` how to
//! get the page.
//!
//! `HOMEROOM_WEB=skip` builds without the page; `HOMEROOM_WEB=require` fails
//! when it cannot be bundled, for releases.

use std::collections::hash_map::DefaultHasher;
use std::error::Error;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

/// What the bundle is made of, below `web/`.
const SOURCES: [&str; 4] = ["package.json", "package-lock.json", "build.mjs", "src"];
/// The pages, at `/` and `/doctor`.
const PAGES: [&str; 2] = ["index.html", "doctor.html"];
/// What they show when there is no bundle.
const MISSING: &str = "missing.html";
const NPM: &str = if cfg!(windows) { "npm.cmd" } else { "npm" };

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    println!("cargo:rerun-if-env-changed=HOMEROOM_WEB");
    for source in SOURCES.into_iter().chain([MISSING]) {
        println!("cargo:rerun-if-changed=web/{source}");
    }
    let web = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("web");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let page = out.join("page");
    let wish = env::var("HOMEROOM_WEB").unwrap_or_default();

    let bundled = wish != "skip"
        && match bundle(&web, &out.join("web"), &page) {
            Ok(()) => true,
            Err(error) if wish == "require" => return Err(error),
            Err(error) => {
                println!("cargo:warning=built without the lesson page: {error}");
                false
            }
        };
    if !bundled {
        empty(&page)?;
        for name in PAGES {
            fs::copy(web.join(MISSING), page.join(name))?;
        }
    }
    fs::write(out.join("page.rs"), table(&page)?)?;
    Ok(())
}

/// Copies the sources to `workshop` and bundles them there.
fn bundle(web: &Path, workshop: &Path, page: &Path) -> Result<()> {
    empty(&workshop.join("src"))?;
    for source in SOURCES {
        copy(&web.join(source), &workshop.join(source))?;
    }
    install(workshop)?;
    run(Command::new("node").arg("build.mjs").arg(page).current_dir(workshop))
}

/// `npm ci`, unless it has already installed what this lock file says.
fn install(workshop: &Path) -> Result<()> {
    let lock = fs::read(workshop.join("package-lock.json"))?;
    let stamp = workshop.join("node_modules/.installed");
    if fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    let arguments = ["ci", "--omit=dev", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"];
    // Without a network nobody wants to wait for minutes.
    let patience = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=60000"];
    run(Command::new(NPM).args(arguments).args(patience).current_dir(workshop))?;
    Ok(fs::write(stamp, lock)?)
}

fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = match command.output() {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(format!("{program} is not installed").into());
        }
        Err(error) => return Err(format!("{program}: {error}").into()),
    };
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let fault = said.lines().find(|line| line.to_lowercase().contains("error")).unwrap_or("see its own output");
    Err(format!("{program} failed ({}): {fault}", output.status).into())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        fs::copy(from, to)?;
        return Ok(());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let name = entry?.file_name();
        copy(&from.join(&name), &to.join(&name))?;
    }
    Ok(())
}

fn empty(directory: &Path) -> Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    Ok(fs::create_dir_all(directory)?)
}

/// The Rust source of a table of all files of the page, for `src/http/page.rs`.
fn table(page: &Path) -> Result<String> {
    let mut table = String::from("static FILES: &[File] = &[\n");
    for path in files(page)? {
        let name = path.strip_prefix(page)?.to_str().ok_or("a file name that is not UTF-8")?.replace('\\', "/");
        let mut tag = DefaultHasher::new();
        fs::read(&path)?.hash(&mut tag);
        writeln!(
            table,
            "    File {{ name: {name:?}, media_type: {:?}, tag: \"\\\"{:016x}\\\"\", bytes: \
             include_bytes!(concat!(env!(\"OUT_DIR\"), \"/page/\", {name:?})) }},",
            media_type(&path),
            tag.finish(),
        )?;
    }
    table.push_str("];\n");
    Ok(table)
}

fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn media_type(path: &Path) -> &'static str {
    match path.extension().and_then(OsStr::to_str) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}
