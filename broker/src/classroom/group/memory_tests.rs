//! What groups leave behind in a room that stays.

use homeroom_storage::{EngineKind, Retention};

use super::*;
use crate::classroom::{Settings, pages, recent};
use crate::router::Rules;

async fn room() -> Arc<Room> {
    let store = homeroom_storage::open(&homeroom_storage::Settings {
        engine: EngineKind::Memory,
        ..homeroom_storage::Settings::default()
    })
    .expect("memory opens");
    let settings = Settings {
        recent: recent::Limits { messages: 4, bytes: 1 << 20 },
        pages: pages::Limits::default(),
        presence_grace: Duration::from_secs(1),
        presence_coalesce: Duration::from_secs(1),
        deliveries_max: 5,
        queue_bytes_max: 1 << 20,
        tally: Arc::default(),
    };
    let rules = Arc::new(Rules::default());
    Room::open(store, rules, LogName::new("topic/a"), Retention::default(), &settings).await.expect("it opens")
}

#[tokio::test]
async fn groups_that_nobody_would_miss_are_forgotten_although_the_room_is_in_use() {
    let room = room().await;
    let pattern = Arc::new(room.rules.subscribable("/topic/a", None).expect("a pattern"));
    let join = |name: &str| {
        let name = GroupName::Of { name: name.into(), pattern: "topic/a".into() };
        let start = (Mark::after(Offset::ZERO), None);
        room.consume(&name, pattern.clone(), start, &Wish::default(), Arc::default()).expect("nobody is alone")
    };
    let stays = join("stays");
    (0..100).for_each(|number| drop(join(&number.to_string())));
    while room.groups().locked().values().filter(|group| group.locked().has_keeper).count() > 1 {
        tokio::task::yield_now().await;
    }
    room.forget_unused();
    assert_eq!(room.groups().locked().len(), 1);
    assert!(!room.is_idle());
    drop(stays);
}
