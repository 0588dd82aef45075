//! A traced process as a list of what it did to its files, and when.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// One thing done to a file below the watched directory, or said on stdout.
#[derive(Debug)]
pub(crate) struct Event {
    /// The place of its call among all lines of the trace.
    pub begun: usize,
    /// The place of its return.
    pub ended: usize,
    /// What it was.
    pub act: Act,
}

#[derive(Debug)]
pub(crate) enum Act {
    /// The file was made empty, or made.
    Create(PathBuf),
    Write {
        file: PathBuf,
        at: u64,
        bytes: Vec<u8>,
    },
    Truncate {
        file: PathBuf,
        len: u64,
    },
    /// All writes that had returned are durable when this returns.
    Sync {
        file: PathBuf,
        data_only: bool,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Remove(PathBuf),
    /// A line on standard output.
    Say(String),
}

/// Reads what strace wrote with `-f -y -xx`, as far as it touches `root`.
pub(crate) fn read(trace: &str, root: &Path) -> Vec<Event> {
    let mut reader = Reader { root, pending: HashMap::new(), places: BTreeMap::new(), events: Vec::new() };
    trace.lines().enumerate().for_each(|(number, line)| reader.line(number, line));
    reader.events
}

struct Reader<'a> {
    root: &'a Path,
    /// Calls that have not returned, by thread.
    pending: HashMap<&'a str, (usize, String)>,
    /// Where the next plain write goes, by descriptor.
    places: BTreeMap<u64, u64>,
    events: Vec<Event>,
}

impl<'a> Reader<'a> {
    fn line(&mut self, number: usize, line: &'a str) {
        let Some((thread, rest)) = line.split_once(' ') else { return };
        let rest = rest.trim_start();
        if let Some(begin) = rest.strip_suffix(" <unfinished ...>") {
            self.pending.insert(thread, (number, begin.to_owned()));
        } else if let Some((_, end)) = rest.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>")) {
            if let Some((begun, begin)) = self.pending.remove(thread) {
                self.call(begun, number, &(begin + end));
            }
        } else {
            self.call(number, number, rest);
        }
    }

    fn call(&mut self, begun: usize, ended: usize, text: &str) {
        let Some((name, rest)) = text.split_once('(') else { return };
        let Some((arguments, result)) = rest.rsplit_once(" = ") else { return };
        let returned: i64 = leading_number(result).unwrap_or(-1);
        if returned < 0 {
            return;
        }
        let returned = returned as u64;
        if let Some(act) = self.act(name, arguments, returned) {
            self.events.push(Event { begun, ended, act });
        }
    }

    fn act(&mut self, name: &str, arguments: &str, returned: u64) -> Option<Act> {
        let strings: Vec<_> = arguments.split('"').skip(1).step_by(2).collect();
        let string = |n: usize| strings.get(n).map(|text| unhex(text));
        match name {
            "openat" => {
                let file = self.below(&string(0)?)?;
                self.places.insert(returned, 0);
                let flags = arguments.rsplit_once('"')?.1;
                (flags.contains("O_CREAT") || flags.contains("O_TRUNC")).then_some(Act::Create(file))
            }
            "write" if arguments.starts_with("1<") => Some(Act::Say(String::from_utf8(string(0)?).unwrap())),
            "write" => {
                let (descriptor, file) = self.descriptor(arguments)?;
                let place = self.places.entry(descriptor).or_default();
                let at = *place;
                *place += returned;
                Some(Act::Write { file, at, bytes: written(&string(0)?, returned) })
            }
            "pwrite64" => {
                let (_, file) = self.descriptor(arguments)?;
                let at = last_number(arguments)?;
                Some(Act::Write { file, at, bytes: written(&string(0)?, returned) })
            }
            "ftruncate" => {
                let (_, file) = self.descriptor(arguments)?;
                Some(Act::Truncate { file, len: last_number(arguments)? })
            }
            "fsync" | "fdatasync" => {
                let (_, file) = self.descriptor(arguments)?;
                Some(Act::Sync { file, data_only: name == "fdatasync" })
            }
            "rename" | "renameat" | "renameat2" => {
                Some(Act::Rename { from: self.below(&string(0)?)?, to: self.below(&string(1)?)? })
            }
            "unlink" | "unlinkat" => Some(Act::Remove(self.below(&string(0)?)?)),
            "writev" | "pwritev" | "pwritev2" | "fallocate" | "msync" => {
                assert!(self.descriptor(arguments).is_none(), "the replay does not know {name}: {arguments:.200}");
                None
            }
            _ => None,
        }
    }

    /// The descriptor in front of the arguments, if its file is ours.
    fn descriptor(&self, arguments: &str) -> Option<(u64, PathBuf)> {
        let (number, rest) = arguments.split_once('<')?;
        let (path, _) = rest.split_once('>')?;
        Some((number.parse().ok()?, self.below(&unhex(path))?))
    }

    fn below(&self, path: &[u8]) -> Option<PathBuf> {
        let path = PathBuf::from(String::from_utf8(path.to_vec()).unwrap());
        path.strip_prefix(self.root).ok().filter(|path| *path != Path::new("")).map(Path::to_owned)
    }
}

fn written(bytes: &[u8], returned: u64) -> Vec<u8> {
    assert!(bytes.len() as u64 >= returned, "strace cut a string short");
    bytes[..returned as usize].to_vec()
}

/// `\x68\x69` as bytes.
fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).unwrap() as u8;
    text.as_bytes().chunks_exact(4).map(|hex| digit(hex[2]) << 4 | digit(hex[3])).collect()
}

fn leading_number(text: &str) -> Option<i64> {
    let end = text.find(|c: char| c != '-' && !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

fn last_number(arguments: &str) -> Option<u64> {
    arguments.trim_end().trim_end_matches(')').rsplit_once(", ")?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_with_their_begin_and_end() {
        let trace = "7 pwrite64(4<\\x2f\\x72\\x2f\\x64>, \"\\x68\\x69\", 2, 96 <unfinished ...>\n\
                     8 fdatasync(5<\\x2f\\x72\\x2f\\x64>) = 0\n\
                     7 <... pwrite64 resumed>) = 2\n\
                     8 write(1<\\x2f\\x6f>, \"\\x61\\x0a\", 2) = 2\n\
                     8 fsync(5<\\x2f\\x71>) = 0\n";
        let events = read(trace, Path::new("/r"));
        let times: Vec<_> = events.iter().map(|event| (event.begun, event.ended)).collect();
        assert_eq!(times, [(1, 1), (0, 2), (3, 3)]);
        assert!(matches!(&events[0].act, Act::Sync { data_only: true, .. }));
        assert!(matches!(&events[1].act, Act::Write { at: 96, bytes, .. } if bytes == b"hi"));
        assert!(matches!(&events[2].act, Act::Say(line) if line == "a\n"));
    }
}
