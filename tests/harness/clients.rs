//! Scripts on real STOMP libraries, in `tests/clients/`.
//!
//! A script is told what to do by its arguments, says each thing that happens
//! as one JSON line, and takes news (a broker's new address) as lines of input.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::canaries::canary_script;
use crate::wait::{DEADLINE, within};

/// A running script. Killed when dropped.
pub struct Script {
    name: String,
    process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

/// The README's first program in a language.
///
/// # Panics
/// When there is none.
pub fn readme_block(language: &str) -> String {
    let readme = std::fs::read_to_string(clients().join("../../README.md")).expect("the README");
    let (_, block) = readme.split_once(&format!("```{language}\n")).expect("a program in that language");
    block.split_once("```").expect("its end").0.to_owned()
}

/// Starts `tests/clients/stompjs/{script}` with Node.
///
/// # Panics
/// With what to install, when Node or the packages are missing.
pub fn node(script: &str, arguments: &[&str]) -> Script {
    node_client("stompjs", script, arguments)
}

/// Starts `tests/clients/{client}/{script}` with Node.
///
/// # Panics
/// With what to install, when Node or the packages are missing.
pub fn node_client(client: &str, script: &str, arguments: &[&str]) -> Script {
    let directory = clients().join(client);
    let modules = directory.join("node_modules");
    assert!(modules.exists(), "{client} is missing: run `npm ci` in {}, or tests/run", directory.display());
    let node = std::env::var("HOMEROOM_NODE").unwrap_or_else(|_| "node".to_owned());
    start(Path::new(&node), &directory.join(script), arguments, "install Node 20 or newer", None)
}

/// [`node`], trusting the authority in this file.
///
/// # Panics
/// With what to install, when Node or the packages are missing.
pub fn node_trusting(authority: &Path, script: &str, arguments: &[&str]) -> Script {
    let node = std::env::var("HOMEROOM_NODE").unwrap_or_else(|_| "node".to_owned());
    let script = clients().join("stompjs").join(script);
    start(Path::new(&node), &script, arguments, "install Node 20 or newer", Some(authority))
}

/// Starts `tests/clients/stomp.py/{script}` with the Python of `tests/run`.
///
/// # Panics
/// With what to install, when Python or the packages are missing.
pub fn python(script: &str, arguments: &[&str]) -> Script {
    start_python(script, arguments, None)
}

/// [`python`], under TLS and trusting the authority in this file.
///
/// # Panics
/// With what to install, when Python or the packages are missing.
pub fn python_trusting(authority: &Path, script: &str, arguments: &[&str]) -> Script {
    start_python(script, arguments, Some(authority))
}

fn start_python(script: &str, arguments: &[&str], authority: Option<&Path>) -> Script {
    let directory = clients().join("stomp.py");
    let python = std::env::var_os("HOMEROOM_PYTHON")
        .map_or_else(|| clients().join("../.cache/python/bin/python"), PathBuf::from);
    let advice = format!(
        "run tests/run, or make an environment with `python3 -m venv tests/.cache/python && \
         tests/.cache/python/bin/pip install -r {}/requirements.txt`",
        directory.display()
    );
    start(&python, &directory.join(script), arguments, &advice, authority)
}

impl Script {
    /// The next thing it says.
    ///
    /// # Panics
    /// With its standard error, when it ends instead.
    pub async fn says(&mut self) -> Value {
        let what = format!("a line of {}", self.name);
        let line = within(&what, DEADLINE, self.output.next_line()).await.expect("output is UTF-8");
        let Some(line) = line else {
            let mut errors = String::new();
            let stderr = self.process.stderr.as_mut().expect("piped");
            let _ = stderr.read_to_string(&mut errors).await;
            panic!("{} ended early:\n{errors}", self.name);
        };
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{}: {error} in {line:?}", self.name))
    }

    /// The next thing it says of this kind; what comes before is dropped.
    pub async fn until(&mut self, event: &str) -> Value {
        loop {
            let said = self.says().await;
            assert!(said["event"] != "failed", "{}: {said}", self.name);
            if said["event"] == event {
                return said;
            }
        }
    }

    /// Tells it one line.
    pub async fn tell(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).await.expect("the script listens");
    }

    /// Waits for its end.
    pub async fn ended(mut self) -> ExitStatus {
        drop(self.input);
        within(&format!("the end of {}", self.name), DEADLINE, self.process.wait()).await.expect("a status")
    }
}

fn start(program: &Path, script: &Path, arguments: &[&str], advice: &str, authority: Option<&Path>) -> Script {
    let own = script.parent().expect("a script is in a folder");
    for source in [own.to_owned(), clients().join("conversation")].iter().flat_map(|folder| sources(folder)) {
        canary_script(&source);
    }
    let mut command = Command::new(program);
    if let Some(authority) = authority {
        // Node's own variable, and that of the Python scripts here.
        command.env("NODE_EXTRA_CA_CERTS", authority).env("HOMEROOM_CA", authority);
    }
    command.arg(script).args(arguments).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process =
        command.spawn().unwrap_or_else(|error| panic!("{} does not run ({error}): {advice}", program.display()));
    let input = process.stdin.take().expect("piped");
    let output = BufReader::new(process.stdout.take().expect("piped")).lines();
    Script { name: script.display().to_string(), process, input, output }
}

/// The scripts in a folder.
fn sources(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let scripts = files.filter(|path| path.extension().is_some_and(|end| end == "js" || end == "py"));
    scripts.filter_map(|path| std::fs::read_to_string(path).ok()).collect()
}

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}
