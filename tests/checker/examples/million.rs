//! How long a history of a million events takes: written, read and judged.
//!
//! `cargo run --release --package homeroom-checker --example million`

#[path = "../tests/judged/bugs.rs"]
mod bugs;
#[path = "../tests/judged/toy.rs"]
mod toy;
#[path = "../tests/judged/world.rs"]
mod world;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::Instant;

use homeroom_checker::{judge, read};

const EVENTS: usize = 1_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join(format!("homeroom-million-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let (entries, _) = world::run(1, EVENTS as u64 / 2, None);
    let path = folder.join("all.jsonl");
    let mut file = BufWriter::new(File::create(&path)?);
    for entry in &entries {
        writeln!(file, "{}", serde_json::to_string(entry)?)?;
    }
    file.flush()?;
    drop(entries);

    let begun = Instant::now();
    let entries = read(&[path])?;
    let was_read = begun.elapsed();
    let verdict = judge(&entries);
    let took = begun.elapsed();
    println!("{verdict}");
    println!("{} events: read in {was_read:.2?}, read and judged in {took:.2?}", entries.len());
    let status = std::fs::read_to_string("/proc/self/status")?;
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default());
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
