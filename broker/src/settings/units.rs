//! Durations and sizes as people write them: `20s`, `1h30m`, `256KB`, `64MiB`.
//!
//! # Why not a crate?
//!
//! A value must print as it was written (`90d`, not `2months 29days`), since
//! `homeroom check --print` is read, and pasted, by people.

use std::time::Duration;

const DURATIONS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Largest first, so that printing finds the shortest exact form.
const SIZES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
];

/// `20s`, `250ms`, `1h30m`, `7d`; `0` needs no unit.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut millis = 0u64;
    while !rest.is_empty() || rest.len() == text.len() {
        let (number, after) = leading_number(rest)?;
        let unit_ends = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_ends);
        let (_, scale) = DURATIONS.iter().find(|(name, _)| *name == unit)?;
        millis = millis.checked_add(number.checked_mul(*scale)?)?;
        rest = next;
    }
    Some(Duration::from_millis(millis))
}

/// `256KB` is 256,000 bytes, `256KiB` is 262,144; a number alone is bytes.
pub(crate) fn size(text: &str) -> Option<u64> {
    let (number, unit) = leading_number(text)?;
    if unit.is_empty() {
        return Some(number);
    }
    let (_, scale) = SIZES.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    number.checked_mul(*scale)
}

/// In the largest unit that is exact.
pub(crate) fn print_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    match DURATIONS.iter().find(|(_, scale)| millis != 0 && millis.is_multiple_of(*scale)) {
        Some((unit, scale)) => format!("{}{unit}", millis / scale),
        None => "0s".to_owned(),
    }
}

/// In the largest unit that is exact.
pub(crate) fn print_size(bytes: u64) -> String {
    match SIZES.iter().find(|(_, scale)| bytes != 0 && bytes.is_multiple_of(*scale)) {
        Some((unit, scale)) => format!("{}{unit}", bytes / scale),
        None => "0B".to_owned(),
    }
}

fn leading_number(text: &str) -> Option<(u64, &str)> {
    let ends = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(ends);
    Some((digits.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_written_with_their_units() {
        for (text, millis) in
            [("0", 0), ("0s", 0), ("250ms", 250), ("20s", 20_000), ("1h30m", 5_400_000), ("7d", 604_800_000)]
        {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "20", "s", "20 s", "-1s", "1.5s", "20sec", "1h30", "99999999999999999999s", "999999999999999d"]
        {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_written_with_their_units() {
        for (text, bytes) in
            [("0", 0), ("512", 512), ("1B", 1), ("256KB", 256_000), ("64MiB", 64 << 20), ("1gb", 1_000_000_000)]
        {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in ["", "KB", "1K", "1 MB", "-1", "1.5MB", "1PB", "99999999999TiB"] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(millis in 0..u64::MAX / 86_400_000, bytes: u64) {
            let written = Duration::from_millis(millis);
            prop_assert_eq!(duration(&print_duration(written)), Some(written));
            prop_assert_eq!(size(&print_size(bytes)), Some(bytes));
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = (duration(&text), size(&text));
        }
    }
}
