//! What is wrong with the files of `[tls]`, told like everything else that is wrong with the configuration.

use std::time::SystemTime;

use super::Failure;
use crate::server::tls_files;
use crate::settings::{Loaded, Problem, Problems, Source};
use crate::transport::tls::Fault;

/// Looks at both files, if there are to be any. Gives what one should know although they can be used.
///
/// # Errors
/// Everything that keeps them from being used.
pub(super) fn usable(loaded: &Loaded) -> Result<Vec<Fault>, Failure> {
    look(loaded, false)
}

/// As [`usable`]; and one that has ended, or does not hold yet, is an error.
///
/// # Errors
/// Everything that is wrong.
pub(super) fn right(loaded: &Loaded) -> Result<Vec<Fault>, Failure> {
    look(loaded, true)
}

fn look(loaded: &Loaded, in_time: bool) -> Result<Vec<Fault>, Failure> {
    let Some(files) = tls_files(&loaded.settings.tls) else { return Ok(Vec::new()) };
    let (pair, now) = (files.load().map_err(|faults| told(loaded, faults))?, SystemTime::now());
    match files.untimely(&pair, now) {
        Some(fault) if in_time => Err(told(loaded, vec![fault])),
        _ => Ok(files.warnings(&pair, now)),
    }
}

fn told(loaded: &Loaded, faults: Vec<Fault>) -> Failure {
    let problem = |fault: Fault| {
        let entry = loaded.entries.iter().find(|entry| entry.key == fault.key);
        let source = entry.map_or(Source::Default, |entry| entry.source.clone());
        let value = entry.map(|entry| entry.value.clone());
        Problem { source, key: fault.key.to_owned(), value, remedy: fault.remedy }
    };
    Problems(faults.into_iter().map(problem).collect()).into()
}
