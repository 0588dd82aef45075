//! CONNECT and CONNECTED: on what two peers settle.

use super::event::{Accepted, Event};
use super::{Session, requests};
use crate::heartbeat::{self, HeartBeats};
use crate::{Command, Fault, Frame, Headers, Version};

impl Session {
    /// Settles what can be settled without the driver, and asks it for the rest.
    pub(super) fn connect(&mut self, headers: Headers) -> Result<Event, Fault> {
        let supported = self.supported_versions();
        self.version = Version::negotiate(headers.get("accept-version"), supported)
            .ok_or_else(|| Fault::NoCommonVersion(supported.iter().rev().copied().collect()))?;
        self.decoder.set_version(self.version);
        self.heart_beats = self.negotiated_heart_beats(headers.get("heart-beat"))?;
        self.state.connect_came();
        Ok(Event::Connect(requests::connect(headers, self.version)))
    }

    /// What the driver's yes becomes.
    pub(super) fn connected(&self, accepted: Accepted) -> Frame {
        let Accepted { session, server, user_name } = accepted;
        let mut frame = Frame::new(Command::Connected)
            .with("version", self.version.number())
            .with("session", &session)
            .with("server", &server);
        if self.version > Version::V1_0 {
            let (send, receive) = (self.settings.heart_beat_send, self.settings.heart_beat_receive);
            frame.headers.push("heart-beat", &format!("{},{}", send.as_millis(), receive.as_millis()));
        }
        if let Some(user_name) = user_name {
            frame.headers.push("user-name", &user_name);
        }
        frame
    }

    fn supported_versions(&self) -> &[Version] {
        if self.settings.versions.is_empty() { &Version::ALL } else { &self.settings.versions }
    }

    fn negotiated_heart_beats(&self, asked: Option<&str>) -> Result<HeartBeats, Fault> {
        // STOMP 1.1, Heart-beating: "A missing heart-beat header MUST be treated the
        // same way as a heart-beat:0,0 header". 1.0 has none.
        let Some(asked) = asked.filter(|_| self.version > Version::V1_0) else { return Ok(HeartBeats::default()) };
        let asked = heartbeat::parse(asked).ok_or(Fault::HeaderInvalid {
            command: Command::Connect,
            header: "heart-beat",
            expected: "two numbers of milliseconds with a comma between them",
        })?;
        let own = (self.settings.heart_beat_send, self.settings.heart_beat_receive);
        Ok(HeartBeats::negotiate(asked, own, self.settings.heart_beat_tolerance))
    }
}
