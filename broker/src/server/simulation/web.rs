//! Those who speak HTTP: they publish with POST, read event streams, or ask again and again.

use std::time::Duration;

use axum::body::Bytes;
use homeroom_checker::Event;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};

use super::house::House;
use super::line::Gone;
use super::publisher::Publisher;
use super::reader::Reader;
use super::world::Phase;

/// Whoever waits longer for an answer or a sign of life gives up.
const PATIENCE: Duration = Duration::from_secs(25);

/// A connection to the HTTP listener.
pub(super) struct Client(SendRequest<Full<Bytes>>);

impl Client {
    pub(super) async fn open(house: &House) -> Result<Client, Gone> {
        let socket = house.http().ok_or(Gone)?;
        let (sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(|_| Gone)?;
        tokio::spawn(connection);
        Ok(Client(sender))
    }

    async fn ask(
        &mut self,
        method: &str,
        path: &str,
        about: &[(&str, &str)],
        body: &str,
    ) -> Result<Response<Incoming>, Gone> {
        let builder = Request::builder().method(method).uri(path).header("host", "127.0.0.1");
        let builder = about.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
        let request = builder.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        let answered = async {
            self.0.ready().await?;
            self.0.send_request(request).await
        };
        timeout(PATIENCE, answered).await.map_err(|_| Gone)?.map_err(|_| Gone)
    }

    /// A page of messages.
    pub(super) async fn page(&mut self, path: &str) -> Result<Value, Gone> {
        let answer = self.ask("GET", path, &[("accept", "application/json")], "").await?;
        match answer.status() {
            StatusCode::OK => json(answer).await,
            _ => Err(Gone),
        }
    }
}

async fn json(answer: Response<Incoming>) -> Result<Value, Gone> {
    let body = timeout(PATIENCE, answer.into_body().collect()).await.map_err(|_| Gone)?.map_err(|_| Gone)?;
    Ok(serde_json::from_slice(&body.to_bytes()).expect("the broker writes JSON"))
}

/// Publishes one message after the other.
pub(super) async fn publish(publisher: &mut Publisher) -> Result<(), Gone> {
    let world = publisher.world.clone();
    let mut client = Client::open(&world.house).await?;
    let path = format!("/v1/messages?destination={}", publisher.destination());
    while !publisher.is_done() {
        publisher.think();
        let Some(number) = publisher.waiting.front().copied() else {
            let soon = publisher.speaks_at().duration_since(Instant::now()).max(Duration::from_millis(100));
            world.rest(soon, Phase::Quiet).await;
            continue;
        };
        publisher.note_asked(number);
        let key = publisher.id(number);
        let about = [("idempotency-key", key.as_str()), ("content-type", "text/plain")];
        let answer = client.ask("POST", &path, &about, &publisher.body(number)).await?;
        // Whatever else it says: it is sent again with the same key.
        if answer.status() != StatusCode::CREATED {
            return Err(Gone);
        }
        let stored = json(answer).await?;
        publisher.note_confirmed(number, stored["position"].as_str().unwrap());
    }
    Ok(())
}

fn path(reader: &Reader) -> String {
    let place = reader.seen.as_ref().map_or_else(|| "from=first".to_owned(), |seen| format!("after={seen}"));
    format!("/v1/messages?destination=/topic/{}/**&{place}", reader.classroom)
}

/// Reads an event stream, which goes on where the last one ended.
pub(super) async fn stream(reader: &mut Reader) -> Result<(), Gone> {
    let world = reader.world.clone();
    let mut client = Client::open(&world.house).await?;
    reader.note(Event::Subscribe { stream: reader.stream(), principal: None });
    let answer = client.ask("GET", &path(reader), &[("accept", "text/event-stream")], "").await?;
    if answer.status() != StatusCode::OK {
        return Err(Gone);
    }
    let (mut body, mut unread, mut heard) = (answer.into_body(), String::new(), Instant::now());
    let (mut begun, mut gap) = (false, false);
    while world.phase() < Phase::Over {
        let soon = Instant::now() + Duration::from_millis(500);
        match timeout_at(soon, body.frame()).await {
            Ok(Some(Ok(piece))) => {
                heard = Instant::now();
                let Ok(piece) = piece.into_data() else { continue };
                unread.push_str(std::str::from_utf8(&piece).expect("bodies here are plain"));
            }
            Ok(_) => return Err(Gone),
            Err(_) if heard + PATIENCE < Instant::now() => return Err(Gone),
            Err(_) => continue,
        }
        while let Some(end) = unread.find("\n\n") {
            let event: String = unread.drain(..end + 2).collect();
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
            let Some(id) = field("id: ") else {
                gap |= field("event: ") == Some("gap");
                continue;
            };
            reader.seen = Some(id.to_owned());
            match field("data: ") {
                None if !begun => reader.note_subscribed(Some(id.parse().unwrap()), false),
                None => {}
                Some(body) => world.history.read(&reader.stream(), id, body, std::mem::take(&mut gap)),
            }
            begun = true;
        }
        reader.dawdle().await;
    }
    reader.note(Event::CaughtUp { stream: reader.stream() });
    Ok(())
}

/// Asks for page after page, each of which waits until there is something on it.
pub(super) async fn poll(reader: &mut Reader) -> Result<(), Gone> {
    let world = reader.world.clone();
    let mut client = Client::open(&world.house).await?;
    let stream = reader.stream();
    reader.note(Event::Subscribe { stream: stream.clone(), principal: None });
    let mut begun = false;
    while world.phase() < Phase::Over {
        let page = client.page(&format!("{}&limit=50&wait=5", path(reader))).await?;
        if !std::mem::replace(&mut begun, true) {
            reader.note_subscribed(reader.seen.as_ref().map(|seen| seen.parse().unwrap()), false);
        }
        for message in page["messages"].as_array().unwrap() {
            let text = |member: &str| message[member].as_str().unwrap();
            world.history.read(&stream, text("position"), text("body"), message["gap"].is_string());
        }
        reader.seen = Some(page["position"].as_str().unwrap().to_owned());
        reader.dawdle().await;
    }
    reader.note(Event::CaughtUp { stream });
    Ok(())
}
