//! What a bell does on one thread; its interleavings: `tests/classroom_under_loom.rs`.

use std::sync::Arc;

use super::bell::Bell;

#[tokio::test]
async fn a_ring_before_the_listener_is_heard_once() {
    let bell = Bell::default();
    bell.ring();
    bell.ring();
    bell.heard().await;
    let mut again = tokio_test_poll(&bell);
    assert!(again.take().is_none(), "two rings are heard as one");
}

#[tokio::test]
async fn a_ring_wakes_the_listener() {
    let bell = Arc::new(Bell::default());
    let listener = tokio::spawn({
        let bell = bell.clone();
        async move { bell.heard().await }
    });
    tokio::task::yield_now().await;
    bell.ring();
    listener.await.expect("the listener ends");
}

fn tokio_test_poll(bell: &Bell) -> Option<()> {
    use futures_util::FutureExt as _;
    bell.heard().now_or_never()
}
