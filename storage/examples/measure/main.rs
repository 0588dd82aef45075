//! What the durable engine does on this machine.
//!
//! ```text
//! cargo run --release -p homeroom-storage --example measure -- [SECTION…] [--directory DIRECTORY] [--only WORDS]
//!
//!   confirmed    confirmed messages per second beside a bare append-and-sync loop, with cursors stored, in many logs
//!   opening      opening a store of a million messages: few logs, then a thousand
//!   opening-10m  the same with ten million; takes minutes and 7 GB
//!   absent       the disk for messages that students miss
//! ```
//!
//! Without a section: `confirmed`, `opening` and `absent`. What is compared runs in
//! turns, A B A B, and medians are shown: on a busy machine only the ratios mean something.
//! `--only "1000 logs"` leaves out the other ways to publish: for a profile.

mod absent;
mod bare;
mod confirmed;
mod load;
mod opening;

use std::path::PathBuf;

use homeroom_storage::Settings;

#[tokio::main]
async fn main() {
    let mut directory = std::env::temp_dir();
    let (mut sections, mut only) = (Vec::new(), String::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--directory" => directory = arguments.next().expect("--directory wants a path").into(),
            "--only" => only = arguments.next().expect("--only wants words of a row"),
            // How `opening` measures: in a process of its own, whose memory holds nothing else.
            "open-one" => return opening::open_one(arguments.next().expect("open-one wants a path").into()).await,
            _ => sections.push(argument),
        }
    }
    if sections.is_empty() {
        sections = ["confirmed", "opening", "absent"].map(str::to_owned).into();
    }
    for section in sections {
        match section.as_str() {
            "confirmed" => confirmed::measure(&directory, &only).await,
            "opening" => opening::measure(&directory, 1_000_000, &[100, 1_000]).await,
            "opening-10m" => opening::measure(&directory, 10_000_000, &[100]).await,
            "absent" => absent::measure(&directory).await,
            other => panic!("there is no section {other}: confirmed, opening, opening-10m, absent"),
        }
    }
}

/// A store in a directory of its own. No ballast: its bytes are not what is measured.
fn settings(path: PathBuf) -> Settings {
    Settings { path, ballast_bytes: 0, ..Settings::default() }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
