//! What a SEND passes on its way to a room, by the default rates.

use std::hint::black_box;
use std::time::Duration;

use homeroom::rate::{Meter, Publishing};
use homeroom::settings::Limits;

use crate::measured::Row;

pub(crate) const ROWS: [Row; 1] = [Row { name: "a message passes its rates", operations: 1_000, prepare: pass }];

fn pass(_: u32) -> Box<dyn FnMut()> {
    let (publishing, room) = (Publishing::new(&Limits::default(), false), Meter::default());
    let account = publishing.of_connection(None);
    Box::new(move || {
        let wait = publishing.longest_wait();
        assert_eq!(black_box(&account).pass(1, wait), Ok(Duration::ZERO));
        assert_eq!(publishing.enter(&account, black_box(&room), 1, wait), Ok(Duration::ZERO));
    })
}
