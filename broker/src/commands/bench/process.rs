//! What a process uses, as the kernel counts it.

use std::collections::BTreeMap;
use std::fs::{read_dir, read_to_string};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Failure;

/// A process on this machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Process {
    id: u32,
}

impl Process {
    /// The one that `--server-pid` names.
    pub(super) fn named(id: u32) -> Result<Process, Failure> {
        let process = Process { id };
        process.read("stat").map(|_| process)
    }

    /// This one.
    pub(super) fn own() -> Process {
        Process { id: std::process::id() }
    }

    /// CPU time so far, to be compared with a later one.
    pub(super) fn cpu_time(self) -> Result<CpuTime, Failure> {
        Ok(CpuTime { seconds: self.cpu_seconds()?, threads: self.thread_nanos() })
    }

    /// CPU time of all its threads, user and system, in seconds.
    fn cpu_seconds(self) -> Result<f64, Failure> {
        let stat = self.read("stat")?;
        // The name in parentheses may hold spaces. User and system time are fields 14 and 15.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    }

    /// CPU time of each thread that lives, in nanoseconds; none where the kernel does not tell.
    fn thread_nanos(self) -> BTreeMap<String, u64> {
        let threads = read_dir(format!("/proc/{}/task", self.id)).into_iter().flatten().flatten();
        let nanos = threads.filter_map(|thread| {
            let text = read_to_string(thread.path().join("schedstat")).ok()?;
            let nanos = text.split_whitespace().next()?.parse().ok()?;
            Some((thread.file_name().to_string_lossy().into_owned(), nanos))
        });
        nanos.collect()
    }

    /// Resident memory in bytes, exact where the kernel lets us see it.
    pub(super) fn resident_bytes(self) -> Result<u64, Failure> {
        // The counter in `status` lags by some hundred kilobytes on machines with many cores.
        if let Some(bytes) = self.read("smaps_rollup").ok().and_then(|text| kilobytes(&text, "Rss:")) {
            return Ok(bytes);
        }
        self.status("VmRSS:")
    }

    /// Lets [`Process::peak_bytes`] count from now on; without the right to do so it counts from the process's start.
    pub(super) fn forget_peak(self) {
        // See proc_pid_clear_refs(5): 5 resets the peak of resident memory.
        let _ = std::fs::write(format!("/proc/{}/clear_refs", self.id), "5");
    }

    /// The most resident memory there was, in bytes.
    pub(super) fn peak_bytes(self) -> Result<u64, Failure> {
        self.status("VmHWM:")
    }

    fn status(self, name: &str) -> Result<u64, Failure> {
        kilobytes(&self.read("status")?, name)
            .ok_or_else(|| Failure::new(format!("--server-pid {}: the process has ended.", self.id)))
    }

    fn read(self, file: &str) -> Result<String, Failure> {
        read_to_string(format!("/proc/{}/{file}", self.id)).map_err(|error| {
            Failure::new(format!(
                "--server-pid {}: /proc/{0}/{file} cannot be read ({error}). Name the running process of the broker, \
                 or leave the flag out.",
                self.id
            ))
        })
    }
}

/// CPU time of a process at a moment.
pub(super) struct CpuTime {
    /// Of all threads that there were, counted in hundredths.
    seconds: f64,
    /// Of those that live, in nanoseconds.
    threads: BTreeMap<String, u64>,
}

/// Where the two counts differ by more, threads have ended and taken theirs with them. In seconds.
const COARSE: f64 = 0.03;

impl CpuTime {
    /// What was used between the two, in seconds: exact, unless threads have ended in between.
    pub(super) fn since(&self, before: &CpuTime) -> f64 {
        let coarse = self.seconds - before.seconds;
        let used = |(id, nanos): (&String, &u64)| nanos.saturating_sub(before.threads.get(id).copied().unwrap_or(0));
        let fine = self.threads.iter().map(used).sum::<u64>() as f64 / 1e9;
        if (fine - coarse).abs() <= COARSE { fine } else { coarse }
    }
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// Raises the limit of descriptors as far as it goes, and says whether so many sockets fit.
pub(super) fn make_room(sockets: usize, flag: &str) -> Result<(), Failure> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let granted = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    match granted {
        Some(granted) if (granted as usize) < sockets + SPARE => Err(Failure::usage(format!(
            "{flag} needs {sockets} sockets, and this process may open {granted} files. Raise the limit with \
             `ulimit -Hn {}`, or ask for fewer.",
            sockets + SPARE
        ))),
        _ => Ok(()),
    }
}

/// Files that are open anyway.
const SPARE: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64, threads: &[(&str, u64)]) -> CpuTime {
        let threads = threads.iter().map(|(id, nanos)| ((*id).to_owned(), *nanos)).collect();
        CpuTime { seconds, threads }
    }

    #[test]
    fn what_threads_took_is_exact_unless_one_has_ended() {
        let before = at(1.0, &[("1", 900_000_000), ("2", 100_000_000)]);
        let after = at(1.02, &[("1", 908_000_000), ("2", 101_000_000), ("3", 4_000_000)]);
        assert_eq!(after.since(&before), 0.013);
        assert_eq!(at(1.5, &[("1", 908_000_000)]).since(&before), 0.5);
        assert_eq!(at(1.25, &[]).since(&before), 0.25);
    }
}
