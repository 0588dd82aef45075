//! Which names may stand for users, roles and classrooms.

/// Roles of one person or service.
pub(super) const ROLES_MAX: usize = 32;
/// Classrooms of one person or service.
pub(super) const CLASSROOMS_MAX: usize = 256;

/// Whether this may be a user: 1 to 128 bytes without control characters.
///
/// # Errors
/// What is wrong with it.
pub fn user(text: &str) -> Result<(), &'static str> {
    within(text, 128, "must be 1 to 128 bytes long")
}

/// Whether this may be a role: 1 to 64 bytes without control characters.
///
/// # Errors
/// What is wrong with it.
pub fn role(text: &str) -> Result<(), &'static str> {
    within(text, 64, "must be 1 to 64 bytes long")
}

/// Whether this may be a classroom as destinations write it: 1 to 255 bytes without control characters.
///
/// # Errors
/// What is wrong with it.
pub fn classroom(text: &str) -> Result<(), &'static str> {
    within(text, 255, "must be 1 to 255 bytes long")
}

/// What somebody is called: at most 256 bytes without control characters.
///
/// # Errors
/// What is wrong with it.
pub fn called(text: &str) -> Result<(), &'static str> {
    within(text, 256, "must be 1 to 256 bytes long")
}

fn within(text: &str, bytes_max: usize, length: &'static str) -> Result<(), &'static str> {
    match text {
        text if text.is_empty() || text.len() > bytes_max => Err(length),
        text if text.contains(char::is_control) => Err("must not contain control characters"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_printable() {
        for name in ["alice", "alice@school.de", "a/b", "Zoë O'Neil", "a", &"x".repeat(128)] {
            assert_eq!(user(name), Ok(()), "{name}");
        }
        for name in ["", "a\nb", "a\0", "\u{85}", "\t", &"x".repeat(129), &"ß".repeat(65)] {
            assert!(user(name).is_err(), "{name:?}");
        }
        assert!(role(&"r".repeat(65)).is_err() && classroom(&"c".repeat(256)).is_err() && called("").is_err());
    }
}
