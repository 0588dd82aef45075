//! What the broker counted.

use std::collections::HashSet;

use super::case::{Case, Found};
use crate::{Event, Rule};

/// What happened since the broker is up.
#[derive(Default)]
struct Life<'a> {
    up: usize,
    sent: HashSet<&'a str>,
    stored: HashSet<&'a str>,
    received: u64,
    /// Something may have been delivered to a connection that broke.
    is_broken: bool,
}

/// The broker stored and delivered at least what others know of, and no more than they can tell.
pub(super) fn balance(case: &Case<'_>, found: &mut Found) {
    let mut life = Life::default();
    let mut known: HashSet<&str> = HashSet::new();
    for (index, event) in case.events() {
        match event {
            Event::Up => life = Life { up: index, ..Life::default() },
            Event::Send { id, .. } => drop(life.sent.insert(id)),
            // Told once more of what is stored since an earlier life, or earlier in this one.
            Event::Stored { id, .. } if known.insert(id) => drop(life.stored.insert(id)),
            Event::Refused { id } => drop(life.sent.remove(&**id)),
            Event::Message { .. } => life.received += 1,
            Event::Left { broken: true, .. } => life.is_broken = true,
            Event::Counted { stored, delivered } => {
                let least = life.stored.iter().filter(|id| case.sent.get(**id).is_some_and(|sent| sent.tries == 1));
                let (least, most) = (least.count() as u64, life.sent.len() as u64);
                if *stored < least || *stored > most {
                    let what = format!("between {least} and {most} were stored, the broker counted {stored}");
                    found.accuse(Rule::BooksBalance, what, &[life.up, index]);
                }
                if *delivered < life.received || *delivered > life.received && !life.is_broken {
                    let what = format!("{} were delivered, the broker counted {delivered}", life.received);
                    found.accuse(Rule::BooksBalance, what, &[life.up, index]);
                }
            }
            _ => {}
        }
    }
}
