//! Somebody who listens over SockJS: poll after poll, or to answers that go on.

use homeroom_protocol::Frame;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::{Response, StatusCode};
use serde_json::Value;

use super::Door;
use super::asking::{Line, request};
use super::listener::{Ear, bytes};
use super::school::School;
use crate::transport::memory::Memory;

impl Ear {
    pub(super) async fn over_polls(&mut self, socket: Memory) {
        let mut line = Line::over(socket).await;
        self.poll(&mut line).await;
        for frame in self.opening() {
            self.push(&mut line, &frame).await;
        }
        while !self.is_over {
            while let Ok(frame) = self.say.try_recv() {
                self.push(&mut line, &frame).await;
            }
            self.poll(&mut line).await;
            self.sip().await;
        }
    }

    async fn poll(&mut self, line: &mut Line) {
        let answer = line.ask(request("POST", &self.session("xhr"), "", None)).await;
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        for frame in std::str::from_utf8(&body).unwrap().lines() {
            self.take_sockjs(frame);
        }
        self.is_over |= body.is_empty();
    }

    /// What is said goes over another line than what is heard.
    pub(super) async fn over_answers(&mut self, school: &School, socket: Memory) {
        let (mut line, mut other) = (Line::over(socket).await, Line::to(school).await);
        let mut answer = self.ask_for_more(&mut line).await;
        for frame in self.opening() {
            self.push(&mut other, &frame).await;
        }
        let mut unread = String::new();
        while !self.is_over {
            tokio::select! {
                piece = answer.frame() => match piece {
                    Some(Ok(piece)) => {
                        let Ok(piece) = piece.into_data() else { continue };
                        unread.push_str(std::str::from_utf8(&piece).expect("all of it is ASCII here"));
                        while let Some(end) = unread.find('\n') {
                            let line: String = unread.drain(..=end).collect();
                            if let Some(frame) = self.in_this_line(line.trim_end()) {
                                self.take_sockjs(&frame);
                            }
                        }
                    }
                    // An answer that ended is followed by another one, unless the line was cut behind it.
                    None if !line.is_closed() => answer = self.ask_for_more(&mut line).await,
                    None | Some(Err(_)) => return,
                },
                Some(frame) = self.say.recv() => self.push(&mut other, &frame).await,
            }
            self.sip().await;
        }
    }

    async fn ask_for_more(&self, line: &mut Line) -> Response<Incoming> {
        let (method, path) = match self.wish.door {
            Door::SockjsEvents => ("GET", self.session("eventsource")),
            Door::SockjsHtml => ("GET", self.session("htmlfile?c=heard")),
            _ => ("POST", self.session("xhr_streaming")),
        };
        line.ask(request(method, &path, "", None)).await
    }

    /// The frame in one line of an answer, if there is one.
    fn in_this_line(&self, line: &str) -> Option<String> {
        match self.wish.door {
            Door::SockjsEvents => Some(line.strip_prefix("data: ")?.replace("%25", "%")),
            Door::SockjsHtml => serde_json::from_str(line.strip_prefix("p(")?.strip_suffix(");")?).ok(),
            _ => Some(line.to_owned()),
        }
    }

    fn take_sockjs(&mut self, frame: &str) {
        if let Some(array) = frame.strip_prefix('a') {
            for text in serde_json::from_str::<Vec<String>>(array).unwrap() {
                self.take(text.as_bytes());
            }
        }
        self.is_over |= frame.starts_with('c');
    }

    /// A session belongs to one token and place.
    fn session(&self, transport: &str) -> String {
        let id = &self.wish.token[self.wish.token.len() - 10..];
        format!("/ws/0/{id}{}/{transport}", self.wish.place.replace('/', "-"))
    }

    async fn push(&self, line: &mut Line, frame: &Frame) {
        let list = Value::from(vec![String::from_utf8(bytes(frame)).unwrap()]).to_string();
        let answer = line.ask(request("POST", &self.session("xhr_send"), &list, None)).await;
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    }
}
