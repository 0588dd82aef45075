//! What the disk allows: a loop that appends to a file and syncs once for all who wait.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use tokio::sync::oneshot;

type Job = (Bytes, oneshot::Sender<()>);

/// The loop's handle; the loop ends when it is dropped.
pub(crate) struct Bare(mpsc::Sender<Job>);

impl Bare {
    pub(crate) fn open(path: &Path) -> Bare {
        let mut file = File::create(path).expect("a file can be made");
        let (jobs, waiting) = mpsc::channel::<Job>();
        thread::spawn(move || {
            let (mut bytes, mut answers) = (Vec::new(), Vec::new());
            while let Ok(first) = waiting.recv() {
                bytes.clear();
                for (body, answer) in std::iter::once(first).chain(waiting.try_iter()) {
                    bytes.extend_from_slice(&(body.len() as u32).to_be_bytes());
                    bytes.extend_from_slice(&body);
                    answers.push(answer);
                }
                file.write_all(&bytes).and_then(|()| file.sync_data()).expect("the disk takes it");
                // Whoever asked may have gone.
                answers.drain(..).for_each(|answer: oneshot::Sender<()>| answer.send(()).unwrap_or_default());
            }
        });
        Bare(jobs)
    }

    /// Resolves when it is durable.
    pub(crate) fn append(&self, body: Bytes) -> oneshot::Receiver<()> {
        let (answer, appended) = oneshot::channel();
        self.0.send((body, answer)).expect("the loop runs");
        appended
    }
}
