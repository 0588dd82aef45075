//! Frames of a client → what they ask for: which headers each must have, by version.

use super::event::{AckMode, Acknowledge, Connect, MessageReference, Operation, Send, Subscribe};
use crate::{Command, Fault, Frame, Headers, Version};

/// CONNECT and STOMP.
pub(super) fn connect(mut headers: Headers, version: Version) -> Connect {
    if version == Version::V1_0 {
        headers.trim_values();
    }
    let own = |name| headers.get(name).map(str::to_owned);
    Connect {
        login: own("login"),
        passcode: own("passcode"),
        client_id: own("client-id"),
        host: own("host"),
        errors_soft: headers.get("errors").is_some_and(|errors| errors.trim() == "soft"),
        headers,
    }
}

/// SEND. STOMP 1.2: "It has one REQUIRED header, destination".
pub(super) fn send(mut frame: Frame) -> Result<Send, Fault> {
    let destination = required(&mut frame.headers, Command::Send, "destination")?;
    frame.headers.remove("content-length");
    Ok(Send { destination, headers: frame.headers, body: frame.body, ticket: None })
}

/// SUBSCRIBE. STOMP 1.2: "Since a single connection can have multiple open
/// subscriptions with a server, an id header MUST be included". 1.0 knows the destination alone.
pub(super) fn subscribe(mut headers: Headers, version: Version) -> Result<Subscribe, Fault> {
    let destination = required(&mut headers, Command::Subscribe, "destination")?;
    let given = headers.take("id");
    let id_given = given.is_some();
    let id = match (given, version) {
        (Some(id), _) => id,
        (None, Version::V1_0) => destination.clone(),
        (None, _) => return Err(Fault::HeaderMissing { command: Command::Subscribe, header: "id" }),
    };
    let ack = ack_mode(headers.take("ack").as_deref())?;
    Ok(Subscribe { id, id_given, destination, ack, headers, ticket: None })
}

fn ack_mode(value: Option<&str>) -> Result<AckMode, Fault> {
    // STOMP 1.2, SUBSCRIBE: "The valid values for the ack header are auto, client,
    // or client-individual. If the header is not set, it defaults to auto."
    match value {
        None | Some("auto") => Ok(AckMode::Auto),
        Some("client") => Ok(AckMode::Client),
        Some("client-individual") => Ok(AckMode::ClientIndividual),
        Some(_) => Err(Fault::HeaderInvalid {
            command: Command::Subscribe,
            header: "ack",
            expected: "auto, client or client-individual",
        }),
    }
}

/// ACK and NACK, which name their message differently in every version.
pub(super) fn acknowledge(mut headers: Headers, version: Version, command: Command) -> Result<Acknowledge, Fault> {
    let negative = command == Command::Nack;
    if negative && version == Version::V1_0 {
        return Err(Fault::CommandNotInVersion(command, version));
    }
    let message = match version {
        // STOMP 1.2, ACK: "The ACK frame MUST include an id header matching the
        // ack header of the MESSAGE being acknowledged."
        Version::V1_2 => MessageReference::Ack(required(&mut headers, command, "id")?),
        // STOMP 1.1, ACK: "ACK has two REQUIRED headers: message-id … and subscription".
        Version::V1_1 => MessageReference::MessageId {
            message_id: required(&mut headers, command, "message-id")?,
            subscription: Some(required(&mut headers, command, "subscription")?),
        },
        // STOMP 1.0, ACK: "one required header, message-id".
        Version::V1_0 => MessageReference::MessageId {
            message_id: required(&mut headers, command, "message-id")?,
            subscription: headers.take("subscription"),
        },
    };
    Ok(Acknowledge { negative, message, headers, ticket: None })
}

/// Takes a header that must be there.
pub(super) fn required(headers: &mut Headers, command: Command, header: &'static str) -> Result<String, Fault> {
    headers.take(header).ok_or(Fault::HeaderMissing { command, header })
}

/// SEND, ACK and NACK: what a transaction may hold.
pub(super) fn operation(frame: Frame, version: Version) -> Result<Operation, Fault> {
    match frame.command {
        Command::Send => send(frame).map(Operation::Send),
        command => acknowledge(frame.headers, version, command).map(Operation::Acknowledge),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Version::{V1_0, V1_1, V1_2};

    fn headers(text: &str) -> Headers {
        text.split_whitespace().filter_map(|header| header.split_once(':')).collect()
    }

    #[test]
    fn an_acknowledgement_names_its_message_as_its_version_does() {
        let by_id = |message_id: &str, subscription: Option<&str>| MessageReference::MessageId {
            message_id: message_id.to_owned(),
            subscription: subscription.map(str::to_owned),
        };
        let missing = |header| Fault::HeaderMissing { command: Command::Ack, header };
        let table = [
            (V1_2, "id:7", Ok(MessageReference::Ack("7".to_owned()))),
            (V1_2, "message-id:7 subscription:a", Err(missing("id"))),
            (V1_1, "message-id:7 subscription:a", Ok(by_id("7", Some("a")))),
            (V1_1, "message-id:7", Err(missing("subscription"))),
            (V1_1, "id:7", Err(missing("message-id"))),
            (V1_0, "message-id:7", Ok(by_id("7", None))),
            (V1_0, "message-id:7 subscription:a", Ok(by_id("7", Some("a")))),
            (V1_0, "id:7", Err(missing("message-id"))),
        ];
        for (version, text, expected) in table {
            let message = acknowledge(headers(text), version, Command::Ack).map(|acknowledge| acknowledge.message);
            assert_eq!(message, expected, "{version} {text}");
        }
        let nack = acknowledge(headers("message-id:7"), V1_0, Command::Nack).map(|acknowledge| acknowledge.negative);
        assert_eq!(nack, Err(Fault::CommandNotInVersion(Command::Nack, V1_0)));
    }

    #[test]
    fn a_subscription_has_an_id_and_an_ack_mode() {
        let read = |version, text| {
            subscribe(headers(text), version).map(|subscribe| (subscribe.id, subscribe.id_given, subscribe.ack))
        };
        let invalid = Fault::HeaderInvalid {
            command: Command::Subscribe,
            header: "ack",
            expected: "auto, client or client-individual",
        };
        let missing = |header| Fault::HeaderMissing { command: Command::Subscribe, header };
        let table = [
            (V1_2, "id:1 destination:/a", Ok(("1".to_owned(), true, AckMode::Auto))),
            (V1_2, "id:1 destination:/a ack:client", Ok(("1".to_owned(), true, AckMode::Client))),
            (V1_1, "id:1 destination:/a ack:client-individual", Ok(("1".to_owned(), true, AckMode::ClientIndividual))),
            (V1_0, "destination:/a", Ok(("/a".to_owned(), false, AckMode::Auto))),
            (V1_1, "destination:/a", Err(missing("id"))),
            (V1_2, "id:1", Err(missing("destination"))),
            (V1_2, "id:1 destination:/a ack:sometimes", Err(invalid)),
        ];
        for (version, text, expected) in table {
            assert_eq!(read(version, text), expected, "{version} {text}");
        }
    }
}
