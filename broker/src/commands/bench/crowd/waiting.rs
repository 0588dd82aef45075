//! What a crowd is waited for: until all are there, until some are gone, or for a time.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::{Crowd, Heard};
use crate::commands::bench::Failure;
use crate::commands::bench::conversation::Stage;

/// While nothing at all happens for so long, something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a DISCONNECT may take.
const FAREWELL: Duration = Duration::from_secs(3);

impl Crowd {
    /// Connects all who are invited, and waits until they are ready. `on` hears how many are.
    pub(in crate::commands::bench) fn gather(
        &mut self,
        mut on: impl FnMut(u64),
        ear: &mut impl FnMut(usize, Heard<'_>),
    ) -> Result<(), Failure> {
        let (mut ready, mut alive) = (0, Instant::now());
        while !self.arrivals.are_over() {
            let before = ready;
            self.turn(Some(Instant::now() + Duration::from_millis(100)), &mut |who, heard| {
                ready += u64::from(matches!(heard, Heard::Ready));
                ear(who, heard);
            })?;
            on(ready);
            if ready > before {
                alive = Instant::now();
            } else if alive.elapsed() > PATIENCE {
                return Err(Failure::new(format!(
                    "{} connections were made, then none within {} seconds. Does the broker limit them?",
                    ready,
                    PATIENCE.as_secs()
                )));
            }
        }
        Ok(())
    }

    /// Disconnects these members in good order and waits until they are gone.
    pub(in crate::commands::bench) fn leave(
        &mut self,
        who: Range<usize>,
        ear: &mut impl FnMut(usize, Heard<'_>),
    ) -> Result<(), Failure> {
        let farewell = self.speech.disconnect();
        for index in who.clone() {
            let Some(member) = &mut self.members[index] else { continue };
            member.conversation.stage = Stage::Leaving;
            let said = farewell.as_ref().map(|bytes| member.line.say(bytes));
            if !matches!(said, Some(Ok(()))) {
                self.members[index] = None;
            }
        }
        let until = Instant::now() + FAREWELL;
        while Instant::now() < until && self.members[who.clone()].iter().any(Option::is_some) {
            self.turn(Some(until), ear)?;
        }
        // Some brokers never say goodbye.
        self.members[who].iter_mut().for_each(|member| *member = None);
        Ok(())
    }

    /// Lets time pass, answering what must be answered.
    pub(in crate::commands::bench) fn rest(
        &mut self,
        duration: Duration,
        ear: &mut impl FnMut(usize, Heard<'_>),
    ) -> Result<(), Failure> {
        let until = Instant::now() + duration;
        while Instant::now() < until {
            self.turn(Some(until), ear)?;
        }
        Ok(())
    }
}
