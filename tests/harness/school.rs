//! A broker where everybody shows who they are, and what they show.

use std::time::Duration;

use tokio::process::Command;

use crate::broker::{Broker, Setup, binary};
use crate::canaries::canary;
use crate::stomp::Client;

/// A secret for tests alone.
const SECRET: &str = "only-for-tests-0123456789-abcdefghijklmnop";

impl Setup {
    /// Tokens are asked for, which [`Broker::token`] makes.
    #[must_use]
    pub fn asks_for_tokens() -> Self {
        let setup = Setup::default().environment("HOMEROOM__ACCESS__JWT__SECRET", SECRET);
        setup.environment("HOMEROOM__ACCESS__JWT__LEEWAY", "0s")
    }
}

impl Broker {
    /// A token, as the command makes it: `broker.token("alice", "student", &["7b"], "8h")`.
    ///
    /// # Panics
    /// When the command fails.
    pub async fn token(&self, user: &str, role: &str, classrooms: &[&str], expires: &str) -> String {
        let mut command = Command::new(binary());
        command.args(["token", "--user", user, "--role", role, "--expires", expires]);
        command.args(classrooms.iter().flat_map(|name| ["--classroom", name]));
        command.env("HOMEROOM__ACCESS__JWT__SECRET", SECRET).current_dir(self.setup().directory()).kill_on_drop(true);
        let made = tokio::time::timeout(Duration::from_secs(60), command.output()).await.expect("in time");
        let made = made.expect("the broker's binary runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let token = String::from_utf8(made.stdout).expect("text").trim().to_owned();
        // All of them begin alike; what signs them does not.
        token.rsplit('.').next().into_iter().for_each(canary);
        token
    }

    /// A header of HTTP with such a token.
    pub async fn bearer(&self, user: &str, role: &str, classrooms: &[&str]) -> String {
        format!("Bearer {}", self.token(user, role, classrooms, "8h").await)
    }
}

impl Client {
    /// A client over WebSocket that shows a token.
    pub async fn showing(broker: &Broker, token: &str) -> Self {
        let mut client = Self::websocket(broker, &["v12.stomp"]).await;
        client.connect(&[("passcode", token)]).await;
        client
    }
}
