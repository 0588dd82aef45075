//! `homeroom store`.

mod erase;

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use homeroom_storage::inspect::{self, LogStats, Stats, VerifyReport};
use homeroom_storage::{OpenError, Position};
use indicatif::{DecimalBytes, HumanDuration, ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::failure::of_output;
use super::{ConfigFlag, Failure};
use crate::settings::{Sources, load};

#[derive(Args, Debug)]
#[command(after_help = "\
The broker must not be running on the same directory.

Examples:
  homeroom store stats --data ./data            what is kept, log by log
  homeroom store verify --data ./data           can all of it be read?
  homeroom store erase --user alice             nothing that alice left is in the directory any more
  homeroom store compact                        give the disk back what is not used

Exit codes:
  0  done; verify: all is well
  1  the directory cannot be opened; verify: something is damaged
  2  the command line or the configuration is wrong")]
pub(super) struct Flags {
    #[command(subcommand)]
    look: Look,
}

#[derive(Debug, Subcommand)]
enum Look {
    /// Read every record and cursor and check its checksum; nothing is changed
    #[command(after_help = "\
Examples:
  homeroom store verify
  homeroom store verify --data /var/lib/homeroom --json")]
    Verify(Directory),
    /// Say what is kept, log by log
    #[command(after_help = "\
Examples:
  homeroom store stats
  homeroom store stats --data /var/lib/homeroom --json")]
    Stats(Directory),
    /// Erase what a classroom or a user left, so that no byte of it stays in the directory
    #[command(after_help = erase::HELP)]
    Erase(erase::Flags),
    /// Write everything anew, without the room that removed messages left in the files
    #[command(after_help = "\
What stays is written beside the old files, read back, and put in their place. Killed at any
moment, it leaves the old files or the new ones, and the next start removes what is over.

Examples:
  homeroom store compact
  homeroom store compact --data /var/lib/homeroom --json")]
    Compact(Directory),
}

#[derive(Args, Debug)]
struct Directory {
    /// The data directory [default: what the configuration says]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFlag,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
}

pub(super) fn run(flags: &Flags) -> Result<(), Failure> {
    match &flags.look {
        Look::Verify(directory) => verify(directory),
        Look::Stats(directory) => stats(directory),
        Look::Erase(flags) => erase::run(flags),
        Look::Compact(directory) => erase::compact(directory),
    }
}

impl Directory {
    /// A named directory needs no configuration: who looks for damage may have lost that too.
    fn path(&self) -> Result<PathBuf, Failure> {
        match &self.data {
            Some(path) => Ok(path.clone()),
            None => Ok(load(&Sources::of_process(self.config.config.clone(), Vec::new()))?.settings.storage.path),
        }
    }

    fn print(&self, object: &Value, table: &str) -> Result<(), Failure> {
        let text = if self.json { format!("{object}\n") } else { table.to_owned() };
        std::io::stdout().write_all(text.as_bytes()).map_err(|error| of_output(&error))
    }
}

fn stats(directory: &Directory) -> Result<(), Failure> {
    let path = directory.path()?;
    let mut stats = inspect::stats(&path).map_err(|error| unopened(&error))?;
    stats.logs.sort_by(|one, other| one.name.cmp(&other.name));
    directory.print(&stats_object(&stats), &stats_table(&stats))
}

fn verify(directory: &Directory) -> Result<(), Failure> {
    let path = directory.path()?;
    let bar = bar();
    let report = inspect::verify(&path, &mut |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let report = report.map_err(|error| unopened(&error))?;
    directory.print(&report_object(&report), &report_table(&report))?;
    if report.is_clean() { Ok(()) } else { Err(damaged(&path)) }
}

/// On a terminal only: elsewhere nothing is drawn.
fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} records, {eta} left");
    ProgressBar::new(0).with_style(style.expect("the template is fixed"))
}

fn unopened(error: &OpenError) -> Failure {
    Failure::new(format!("{}.", error.to_string().trim_end_matches('.')))
}

fn damaged(path: &Path) -> Failure {
    Failure::new(format!(
        "{} is damaged in the places above. The broker serves all that can be read and tells readers of the rest as a \
         gap; to have it back, stop the broker and restore the directory from a backup. Check the disk as well.",
        path.display()
    ))
}

fn stats_object(stats: &Stats) -> Value {
    let logs: Vec<Value> = stats.logs.iter().map(log_object).collect();
    json!({ "disk_bytes": stats.disk_bytes, "logs": logs })
}

fn log_object(log: &LogStats) -> Value {
    json!({
        "name": log.name.as_str(),
        "head": Position::new(log.epoch, log.head).to_string(),
        "trimmed": log.trimmed.0,
        "records": log.records,
        "bytes": log.bytes,
        "blocks": log.blocks,
        "oldest": log.oldest,
        "newest": log.newest,
        "cursors": log.cursors,
        "damage": log.damage,
    })
}

fn stats_table(stats: &Stats) -> String {
    let titles = ["log", "records", "size", "blocks", "cursors", "oldest", "newest", "head"];
    let mut table = Table::new(&titles);
    for log in &stats.logs {
        table.row([
            log.name.to_string(),
            log.records.to_string(),
            DecimalBytes(log.bytes).to_string(),
            log.blocks.to_string(),
            log.cursors.to_string(),
            age(log.oldest),
            age(log.newest),
            Position::new(log.epoch, log.head).to_string(),
        ]);
    }
    let mut text = table.to_string();
    for (name, damage) in stats.logs.iter().filter_map(|log| Some((&log.name, log.damage.as_ref()?))) {
        let _ = writeln!(text, "{name} takes no more records: {damage}");
    }
    let records: u64 = stats.logs.iter().map(|log| log.records).sum();
    let bytes: u64 = stats.logs.iter().map(|log| log.bytes).sum();
    let (kept, disk) = (DecimalBytes(bytes), DecimalBytes(stats.disk_bytes));
    let _ = writeln!(text, "{} logs, {records} records, {kept} kept, {disk} on disk", stats.logs.len());
    text
}

fn age(millis: u64) -> String {
    let then = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
    match then.elapsed() {
        _ if millis == 0 => "-".to_owned(),
        Ok(age) => HumanDuration(age).to_string(),
        Err(_) => "in the future".to_owned(),
    }
}

fn report_object(report: &VerifyReport) -> Value {
    let damaged: Vec<Value> = report
        .damaged
        .iter()
        .map(|damage| {
            let range = damage.range.map(|range| range.to_string());
            json!({ "log": damage.log.as_str(), "offsets": range, "reason": damage.reason })
        })
        .collect();
    json!({
        "clean": report.is_clean(),
        "logs": report.logs,
        "records": report.records,
        "bytes": report.bytes,
        "cursors": report.cursors,
        "damaged": damaged,
        "damaged_cursor_pages": report.damaged_cursor_pages,
    })
}

fn report_table(report: &VerifyReport) -> String {
    let mut text = String::new();
    if !report.damaged.is_empty() {
        let mut table = Table::new(&["log", "offsets", "damage"]);
        for damage in &report.damaged {
            let offsets = damage.range.map_or_else(|| "all".to_owned(), |range| range.to_string());
            table.row([damage.log.to_string(), offsets, damage.reason.clone()]);
        }
        text = table.to_string();
    }
    if !report.damaged_cursor_pages.is_empty() {
        let _ = writeln!(text, "Pages of cursors that cannot be read: {:?}", report.damaged_cursor_pages);
    }
    let VerifyReport { logs, records, cursors, bytes, .. } = report;
    let verdict = if report.is_clean() { "all is well" } else { "damaged" };
    let _ = writeln!(text, "{logs} logs, {records} records, {}, {cursors} cursors: {verdict}", DecimalBytes(*bytes));
    text
}

/// Columns as wide as their widest cell.
struct Table(Vec<Vec<String>>);

impl Table {
    fn new(titles: &[&str]) -> Table {
        Table(vec![titles.iter().map(|title| (*title).to_owned()).collect()])
    }

    fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.0.push(cells.into_iter().collect());
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let width =
            |column: usize| self.0.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        for row in &self.0 {
            let cells = row.iter().enumerate().map(|(column, cell)| format!("{cell:<0$}", width(column).unwrap_or(0)));
            writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use homeroom_storage::inspect::DamagedRange;
    use homeroom_storage::{Epoch, LogName, Offset, OffsetRange};

    use super::*;

    fn log(name: &str, records: u64) -> LogStats {
        LogStats {
            name: LogName::new(name),
            epoch: Epoch(7),
            head: Offset(records),
            trimmed: Offset::ZERO,
            records,
            bytes: records * 200,
            blocks: 3,
            oldest: 0,
            newest: 0,
            cursors: 300,
            damage: None,
        }
    }

    #[test]
    fn what_is_kept_is_a_table_or_an_object() {
        let stats = Stats { logs: vec![log("topic/7b", 200), log("topic/8a-long-name", 5)], disk_bytes: 1_234_567 };
        let expected = "\
log                 records  size      blocks  cursors  oldest  newest  head
topic/7b            200      40.00 kB  3       300      -       -       7:200
topic/8a-long-name  5        1.00 kB   3       300      -       -       7:5
2 logs, 205 records, 41.00 kB kept, 1.23 MB on disk
";
        assert_eq!(stats_table(&stats), expected);
        assert_eq!(stats_object(&stats)["logs"][0]["head"], "7:200");
    }

    #[test]
    fn damage_is_named_by_log_and_offsets() {
        let range = Some(OffsetRange { first: Offset(3), last: Offset(9) });
        let damage = DamagedRange { log: LogName::new("topic/7b"), range, reason: "cannot be read".to_owned() };
        let report = VerifyReport { logs: 1, records: 20, damaged: vec![damage], ..VerifyReport::default() };
        assert!(report_table(&report).contains("topic/7b  3-9      cannot be read\n"), "{}", report_table(&report));
        assert_eq!(report_object(&report)["damaged"][0]["offsets"], "3-9");
        assert_eq!(report_object(&report)["clean"], false);
    }

    #[test]
    fn a_directory_without_a_store_is_named() {
        let empty = tempfile::tempdir().unwrap();
        let directory = Directory { data: Some(empty.path().join("data")), config: ConfigFlag::default(), json: false };
        for failure in [verify(&directory).unwrap_err(), stats(&directory).unwrap_err()] {
            assert!(failure.to_string().contains(empty.path().to_str().unwrap()), "{failure}");
        }
    }

    #[tokio::test]
    async fn a_store_can_be_looked_at_after_it_was_closed() {
        let data = tempfile::tempdir().unwrap();
        let settings = homeroom_storage::Settings {
            path: data.path().to_owned(),
            free_space_min: 0,
            ballast_bytes: 0,
            ..homeroom_storage::Settings::default()
        };
        let store = tokio::task::spawn_blocking(move || homeroom_storage::open(&settings)).await.unwrap().unwrap();
        store.open(&LogName::new("topic/7b"), homeroom_storage::Retention::default()).await.unwrap();
        store.close().await;
        drop(store);
        let directory = Directory { data: Some(data.path().to_owned()), config: ConfigFlag::default(), json: true };
        verify(&directory).unwrap();
        stats(&directory).unwrap();
        assert_eq!(inspect::stats(data.path()).unwrap().logs.len(), 1);
    }
}
