//! Who reads everything in the end.

use super::web::Client;
use super::world::World;

/// Notes what every log holds, in its order.
pub(super) async fn dump(world: &World) {
    for number in 0..world.options.classrooms {
        let classroom = world.options.classroom(number);
        let (log, mut place) = (format!("topic/{classroom}"), "from=first".to_owned());
        let mut client = Client::open(&world.house).await.expect("the broker runs in the end");
        loop {
            let path = format!("/v1/messages?destination=/topic/{classroom}/**&limit=200&{place}");
            let page = client.page(&path).await.expect("nothing disturbs in the end");
            for message in page["messages"].as_array().unwrap() {
                let text = |member: &str| message[member].as_str().unwrap();
                world.history.kept(&log, text("position"), text("body"));
            }
            place = format!("after={}", page["position"].as_str().unwrap());
            if page["more"] != true {
                break;
            }
        }
    }
}
