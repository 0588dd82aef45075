//! Durable subscriptions and the clock on the wall.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use homeroom_storage::{CursorKey, EngineKind, LogName, Offset, Retention, Settings, open};

use super::durable::{Durables, Progress};
use super::now_millis;
use crate::outside::made_up::World;

#[tokio::test]
async fn what_was_delivered_is_known_though_the_clock_is_set_back() {
    let opened_at = now_millis();
    let clock = Rc::new(Cell::new(opened_at));
    let told = clock.clone();
    let _world = World::begin(move || told.get(), || 7);
    let store = open(&Settings { engine: EngineKind::Memory, ..Settings::default() }).unwrap();
    let log = LogName::new("topic/7b");
    let epoch = store.open(&log, Retention::default()).await.unwrap().bounds.epoch;
    let durables = Arc::new(Durables::new(opened_at));
    clock.set(opened_at - 3_600_000);
    let key = CursorKey { log, owner: "user:alice".into(), name: "quiz".into() };
    let attachment = durables.attach(store.clone(), key.clone(), epoch, true, Arc::default());
    attachment.settle(Progress { settled: Offset(3), above: Vec::new() });
    let saved = store.load(&key).await.unwrap().unwrap();
    assert!(saved.used >= opened_at, "it was used since the room was opened: {saved:?}");
}
