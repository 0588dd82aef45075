//! Whole conversations, each named for the part of the specification it plays.

mod harness;

use std::time::Duration;

use harness::play;
use homeroom_protocol::{Limits, Settings, Version};

fn settings() -> Settings {
    Settings::default()
}

fn limited(limits: Limits) -> Settings {
    Settings { limits, ..settings() }
}

/// Connects in 1.2 and plays on.
fn play_connected(settings: Settings, script: &str) {
    let connect = "
        C: CONNECT|accept-version:1.2||^
        E: connect login=- passcode=-
        D: accept
        S: CONNECTED|version:1.2|session:7|server:homeroom/1|heart-beat:10000,10000||^
    ";
    play(settings, &format!("{connect}{script}"));
}

mod connecting {
    use super::*;

    #[test]
    fn stomp_1_2_connected_frame() {
        play(
            settings(),
            "
            C: CONNECT|accept-version:1.0,1.1,1.2|host:school|login:ann|passcode:a:b\\c|heart-beat:0,0||^
            E: connect login=ann passcode=a:b\\c
            D: accept
            S: CONNECTED|version:1.2|session:7|server:homeroom/1|heart-beat:10000,10000||^
            ",
        );
    }

    #[test]
    fn stomp_1_1_connecting_with_the_stomp_frame_and_cr_lf() {
        play(
            settings(),
            "
            C: STOMP␍|accept-version:1.1␍|login:ann␍|␍|^
            E: connect login=ann passcode=-
            D: accept
            S: CONNECTED|version:1.1|session:7|server:homeroom/1|heart-beat:10000,10000||^
            ",
        );
    }

    #[test]
    fn stomp_1_0_connect_with_white_space_as_its_examples_have_it() {
        play(
            settings(),
            "
            C: CONNECT|login: ann|passcode:sesame||^
            E: connect login=ann passcode=sesame
            D: accept
            S: CONNECTED|version:1.0|session:7|server:homeroom/1||^
            C: SEND|destination: /queue/a|||hello queue a|^
            E: send /queue/a “|hello queue a|”
            ",
        );
    }

    #[test]
    fn stomp_1_2_protocol_negotiation_with_no_common_version() {
        play(
            settings(),
            "
            C: CONNECT|accept-version:2.1,3||^
            S: ERROR|message:bad request|code:107|reason:supported protocol versions are 1.0 1.1 1.2|retryable:false|content-type:text/plain;charset=utf-8|version:1.0,1.1,1.2|content-length:90||Name one of them in accept-version of CONNECT; over WebSocket, also offer its subprotocol.^
            X: refused 107 supported protocol versions are 1.0 1.1 1.2
            ",
        );
    }

    #[test]
    fn a_websocket_subprotocol_restricts_the_versions() {
        let only = || Settings { versions: vec![Version::V1_1], ..settings() };
        play(
            only(),
            "C: CONNECT|accept-version:1.2,1.1||^\nE: connect login=- passcode=-\nD: accept\nS: CONNECTED|version:1.1|…",
        );
        play(
            only(),
            "C: CONNECT|accept-version:1.2||^\nS: ERROR|…\nX: refused 107 supported protocol versions are 1.1",
        );
        play(only(), "C: CONNECT||^\nS: ERROR|…\nX: refused 107 supported protocol versions are 1.1");
    }

    #[test]
    fn nothing_comes_before_connect() {
        play(
            settings(),
            "
            C: |||
            C: SEND|destination:/topic/a|receipt:r||x^
            S: ERROR|message:bad request|code:107|reason:SEND came before CONNECT|retryable:false|content-type:text/plain;charset=utf-8|receipt-id:r|content-length:42||Send CONNECT first and wait for CONNECTED.^
            X: refused 107 SEND came before CONNECT
            ",
        );
    }

    #[test]
    fn another_protocol_is_told_so_at_once() {
        play(
            settings(),
            "
            C: GET / HTTP/1.1␍|Host: school␍|
            S: ERROR|…
            X: refused 107 \"GET / HTTP/1.1\" is not a STOMP command
            ",
        );
    }

    #[test]
    fn who_says_nothing_is_told_the_time() {
        play(
            settings(),
            "
            T: 9999
            C: CONNECT|
            T: 1
            S: ERROR|message:limit exceeded|code:106|reason:the connection was not made in time|retryable:true|…
            X: refused 106 the connection was not made in time
            ",
        );
    }

    #[test]
    fn a_second_connect_and_a_servers_frame_are_wrong() {
        play_connected(
            settings(),
            "C: CONNECT||^\nS: ERROR|…\nX: refused 107 CONNECT came on a connection that is connected",
        );
        play_connected(settings(), "C: MESSAGE||^\nS: ERROR|…\nX: refused 107 MESSAGE is for servers to send");
        play(settings(), "C: CONNECTED||^\nS: ERROR|…\nX: refused 107 CONNECTED is for servers to send");
    }

    #[test]
    fn frames_behind_connect_wait_for_the_answer() {
        play(
            settings(),
            "
            C: CONNECT|accept-version:1.2||^SEND|destination:/topic/a\\c||early^
            E: connect login=- passcode=-
            C: SEND|destination:/topic/b||second^
            D: accept
            S: CONNECTED|…
            E: send /topic/a: “early”
            E: send /topic/b “second”
            ",
        );
        play(
            settings(),
            "
            C: CONNECT|accept-version:1.2||^SEND|destination:/topic/a||never^
            E: connect login=- passcode=-
            D: refuse - 101 wrong-passcode
            S: ERROR|message:refused|code:101|reason:wrong-passcode|retryable:false|content-type:text/plain;charset=utf-8|content-length:4||Ask.^
            X: refused 101 wrong-passcode
            C: SEND|destination:/topic/a||never^
            D: accept
            ",
        );
    }

    #[test]
    fn before_connected_little_is_kept_and_time_is_short() {
        let settings = || limited(Limits { connect_bytes_max: 60, ..Limits::default() });
        let refused = "X: refused 106 60 bytes may be sent before CONNECTED";
        play(settings(), &format!("C: CONNECT|a:{}\nS: ERROR|…\n{refused}", "a".repeat(60)));
        play(
            settings(),
            &format!("C: CONNECT||^\nE: connect login=- passcode=-\nC: {}\nS: ERROR|…\n{refused}", "a".repeat(51)),
        );
        play(settings(), &format!("C: {}CONNECT||^\nE: connect login=- passcode=-", "|".repeat(1000)));
        play(
            settings(),
            "
            T: 9000
            C: CONNECT||^
            E: connect login=- passcode=-
            T: 1000
            S: ERROR|…
            X: refused 106 the connection was not made in time
            ",
        );
    }

    #[test]
    fn a_strange_heart_beat_is_wrong() {
        play(
            settings(),
            "
            C: CONNECT|accept-version:1.2|heart-beat:often||^
            S: ERROR|…
            X: refused 107 heart-beat of CONNECT must be two numbers of milliseconds with a comma between them
            ",
        );
    }
}

mod sending {
    use super::*;

    #[test]
    fn stomp_1_2_send_with_escapes_repeated_headers_and_a_nul_in_its_body() {
        play_connected(
            settings(),
            "
            C: SEND|destination:/topic/a|x:1\\n2\\c3\\\\4\\r5|y:first|y:second|content-length:3|||^|^
            E: send /topic/a x=1|2:3\\4␍5 y=first y=second “|^|”
            C: |
            C: ␍||SEND|destination:/topic/b||b^|SEND|destination:/topic/c||^|
            E: send /topic/b “b”
            E: send /topic/c “”
            ",
        );
    }

    #[test]
    fn stomp_1_2_body_of_a_frame_that_may_have_none_is_dropped() {
        play_connected(settings(), "C: SUBSCRIBE|id:0|destination:/a||body|^\nE: subscribe 0 /a Auto");
    }

    #[test]
    fn stomp_1_2_value_encoding_undefined_escapes_are_fatal() {
        play_connected(
            settings(),
            "
            C: SEND|destination:/topic/a|x:\\t||^
            S: ERROR|…
            X: refused 107 a header has an escape that STOMP 1.2 does not define
            ",
        );
    }

    #[test]
    fn what_is_no_frame_ends_the_conversation() {
        let table = [
            ("SEND|destination||^", "a header line has no colon"),
            ("SEND|:x||^", "a header has no name"),
            ("SEND|x:a␍b||^", "a header has a carriage return that does not end its line"),
            ("SEND|x:^", "the frame ended before its headers did"),
            ("send||^", "\"send\" is not a STOMP command"),
            ("SEND|content-length:-1|", "content-length is not a number of bytes"),
            ("SEND|content-length:2||abc^", "the body does not end where content-length says"),
            ("SEND||^", "SEND needs the header destination"),
            ("SUBSCRIBE|destination:/topic/a||^", "SUBSCRIBE needs the header id"),
            ("UNSUBSCRIBE|destination:/topic/a||^", "UNSUBSCRIBE needs the header id"),
            ("ACK|message-id:1|subscription:a||^", "ACK needs the header id"),
            ("BEGIN||^", "BEGIN needs the header transaction"),
        ];
        for (bytes, reason) in table {
            play_connected(settings(), &format!("C: {bytes}\nS: ERROR|…\nX: refused 107 {reason}"));
        }
    }

    #[test]
    fn limits_are_told_by_name() {
        let limits = || {
            limited(Limits {
                header_bytes_max: 100,
                headers_max: 2,
                body_bytes_max: 5,
                identifier_bytes_max: 3,
                subscriptions_max: 1,
                ..Limits::default()
            })
        };
        let table = [
            (format!("SEND|a:{}", "b".repeat(100)), "the headers of one frame may have 100 bytes"),
            ("SEND|a:|b:|c:|".to_owned(), "a frame may have 2 headers"),
            ("SEND|content-length:6|".to_owned(), "a body may have 5 bytes"),
            ("SEND||abcdef".to_owned(), "a body may have 5 bytes"),
            ("SEND|destination:/a|receipt:1234||^".to_owned(), "receipt may have 3 bytes"),
            ("SUBSCRIBE|id:1234|destination:/a||^".to_owned(), "id may have 3 bytes"),
            ("BEGIN|transaction:1234||^".to_owned(), "transaction may have 3 bytes"),
        ];
        for (bytes, reason) in table {
            play_connected(limits(), &format!("C: {bytes}\nS: ERROR|…\nX: refused 106 {reason}"));
        }
        play_connected(
            limits(),
            "
            C: SUBSCRIBE|id:1|destination:/a||^
            E: subscribe 1 /a Auto
            C: SUBSCRIBE|id:2|destination:/a||^
            S: ERROR|…
            X: refused 106 a connection may have 1 subscriptions
            ",
        );
    }
}

mod subscribing {
    use super::*;

    #[test]
    fn stomp_1_2_subscribe_and_unsubscribe() {
        play_connected(
            settings(),
            "
            C: SUBSCRIBE|id:0|destination:/topic/a|ack:client-individual|durable:true|receipt:r||^
            E: subscribe 0 /topic/a ClientIndividual durable=true #1
            D: confirm #1 position=e:7
            S: RECEIPT|receipt-id:r|position:e\\c7||^
            C: UNSUBSCRIBE|id:0|durable:true||^
            E: unsubscribe 0 durable=true
            C: UNSUBSCRIBE|id:0|receipt:again||^
            S: RECEIPT|receipt-id:again||^
            C: SUBSCRIBE|id:0|destination:/topic/b||^
            E: subscribe 0 /topic/b Auto
            ",
        );
    }

    #[test]
    fn stomp_1_2_subscribe_id_header_names_one_subscription() {
        play_connected(
            settings(),
            "
            C: SUBSCRIBE|id:0|destination:/topic/a||^
            E: subscribe 0 /topic/a Auto
            C: SUBSCRIBE|id:0|destination:/topic/b|receipt:r||^
            S: ERROR|message:bad request|code:107|reason:this connection has a subscription of that id already|retryable:false|content-type:text/plain;charset=utf-8|receipt-id:r|content-length:70||Give every SUBSCRIBE an id of its own, or UNSUBSCRIBE the other first.^
            X: refused 107 this connection has a subscription of that id already
            ",
        );
    }

    #[test]
    fn a_subscription_refused_softly_leaves_its_id_free() {
        play_connected(
            settings(),
            "
            C: SUBSCRIBE|id:0|destination:/nowhere||^
            E: subscribe 0 /nowhere Auto
            D: free 0
            C: SUBSCRIBE|id:0|destination:/topic/a||^
            E: subscribe 0 /topic/a Auto
            ",
        );
    }

    #[test]
    fn stomp_1_0_unsubscribe_by_destination() {
        play(
            settings(),
            "
            C: CONNECT||^
            E: connect login=- passcode=-
            D: accept
            S: CONNECTED|…
            C: SUBSCRIBE|destination:/topic/a||^SUBSCRIBE|destination:/topic/b|id:b||^
            E: subscribe /topic/a (by destination) /topic/a Auto
            E: subscribe b /topic/b Auto
            C: UNSUBSCRIBE|destination:/topic/a||^UNSUBSCRIBE|destination:/topic/b||^
            E: unsubscribe /topic/a
            E: unsubscribe b
            C: UNSUBSCRIBE|destination:/topic/a|receipt:r||^
            S: RECEIPT|receipt-id:r||^
            C: ACK|message-id:m:1||^
            E: ack m:1 of -
            C: NACK|message-id:1||^
            S: ERROR|…
            X: refused 107 NACK does not exist in STOMP 1.0
            ",
        );
    }

    #[test]
    fn stomp_1_1_ack_and_nack_name_message_and_subscription() {
        play(
            settings(),
            "
            C: CONNECT|accept-version:1.1||^
            E: connect login=- passcode=-
            D: accept
            S: CONNECTED|…
            C: ACK|message-id:m|subscription:s||^NACK|message-id:n|subscription:s|requeue:false||^
            E: ack m of s
            E: nack n of s requeue=false
            C: ACK|message-id:m|receipt:r||^
            S: ERROR|message:bad request|code:107|reason:ACK needs the header subscription|retryable:false|content-type:text/plain;charset=utf-8|receipt-id:r|…
            X: refused 107 ACK needs the header subscription
            ",
        );
    }

    #[test]
    fn stomp_1_2_ack_names_the_ack_header() {
        play_connected(
            settings(),
            "C: ACK|id:a\\c1|receipt:r||^\nE: ack a:1 #1\nD: confirm #1\nS: RECEIPT|receipt-id:r||^",
        );
    }
}

mod receipts {
    use super::*;

    #[test]
    fn receipts_come_in_the_order_of_asking() {
        play_connected(
            settings(),
            "
            C: SEND|destination:/a|receipt:1||^SEND|destination:/a|receipt:2||^UNSUBSCRIBE|id:x|receipt:3||^
            E: send /a “” #1
            E: send /a “” #2
            D: confirm #2 position=8
            D: confirm #1 position=7
            S: RECEIPT|receipt-id:1|position:7||^
            S: RECEIPT|receipt-id:2|position:8||^
            S: RECEIPT|receipt-id:3||^
            D: confirm #1
            ",
        );
    }

    #[test]
    fn stomp_1_2_disconnect_is_answered_when_all_before_it_is() {
        play_connected(
            settings(),
            "
            C: SEND|destination:/a|receipt:1||^DISCONNECT|receipt:77||^SEND|destination:/a||ignored^
            E: send /a “” #1
            E: disconnect #2
            C: SEND|destination:/a||ignored^
            D: confirm #2
            T: 60000
            D: confirm #1
            S: RECEIPT|receipt-id:1||^
            S: RECEIPT|receipt-id:77||^
            X: disconnected
            C: SEND|destination:/a||ignored^
            ",
        );
        play_connected(settings(), "C: DISCONNECT||^\nE: disconnect\nX: disconnected");
    }

    #[test]
    fn the_driver_may_speak_between_connected_and_the_end() {
        play(
            settings(),
            "
            D: say early
            C: CONNECT|accept-version:1.2||^
            E: connect login=- passcode=-
            D: say early
            D: accept
            S: CONNECTED|…
            D: say well
            S: MESSAGE|destination:/user/queue/errors|content-length:4||well^
            C: DISCONNECT|receipt:1||^
            E: disconnect #1
            D: say still
            S: MESSAGE|…
            D: confirm #1
            S: RECEIPT|receipt-id:1||^
            X: disconnected
            D: say late
            ",
        );
    }

    #[test]
    fn nothing_is_said_behind_error() {
        play_connected(
            settings(),
            "
            C: SEND|destination:/a|receipt:1||^SEND|destination:/b|receipt:2||^
            E: send /a “” #1
            E: send /b “” #2
            D: refuse #2 103 not-yours
            S: ERROR|message:refused|code:103|reason:not-yours|retryable:false|content-type:text/plain;charset=utf-8|receipt-id:2|content-length:4||Ask.^
            X: refused 103 not-yours
            D: confirm #1
            D: refuse #1 100 again
            D: sent
            T: 100000
            ",
        );
    }

    #[test]
    fn frames_wait_while_too_many_receipts_are_pending() {
        let settings = limited(Limits { receipts_pending_max: 2, ..Limits::default() });
        play_connected(
            settings,
            "
            C: SEND|destination:/1|receipt:1||^SEND|destination:/2|receipt:2||^SEND|destination:/3|receipt:3||^
            E: send /1 “” #1
            E: send /2 “” #2
            D: confirm #2
            D: confirm #1
            S: RECEIPT|receipt-id:1||^
            S: RECEIPT|receipt-id:2||^
            E: send /3 “” #3
            ",
        );
    }
}

mod transactions {
    use super::*;

    #[test]
    fn stomp_1_2_begin_commit_abort() {
        play_connected(
            settings(),
            "
            C: BEGIN|transaction:t|receipt:1||^
            S: RECEIPT|receipt-id:1||^
            C: SEND|destination:/a|transaction:t|receipt:2||one^ACK|id:7|transaction:t||^SEND|destination:/b||now^
            S: RECEIPT|receipt-id:2||^
            E: send /b “now”
            C: COMMIT|transaction:t|receipt:3||^
            E: commit t [send /a “one”; ack 7] #1
            D: confirm #1 position=9
            S: RECEIPT|receipt-id:3|position:9||^
            C: BEGIN|transaction:t||^NACK|id:8|transaction:t||^ABORT|transaction:t|receipt:4||^
            S: RECEIPT|receipt-id:4||^
            C: COMMIT|transaction:t|receipt:5||^
            S: ERROR|message:bad request|code:107|reason:COMMIT names a transaction that is not open|retryable:false|content-type:text/plain;charset=utf-8|receipt-id:5|…
            X: refused 107 COMMIT names a transaction that is not open
            ",
        );
    }

    #[test]
    fn transactions_have_names_of_their_own_and_limits() {
        let limits = || {
            limited(Limits {
                transactions_max: 2,
                transaction_operations_max: 1,
                transaction_bytes_max: 1000,
                transaction_age_max: Duration::from_secs(5),
                ..Limits::default()
            })
        };
        let table = [
            ("BEGIN|transaction:t||^", "107 a transaction of that name is open already"),
            ("BEGIN|transaction:u||^BEGIN|transaction:v||^", "106 a connection may have 2 transactions open"),
            ("ACK|id:1|transaction:t||^ACK|id:1|transaction:t||^", "106 a transaction may hold 1 frames"),
            ("ABORT|transaction:u||^", "107 ABORT names a transaction that is not open"),
            ("SEND|destination:/a|transaction:u||^", "107 SEND names a transaction that is not open"),
            ("NACK|id:1|transaction:u||^", "107 NACK names a transaction that is not open"),
        ];
        for (bytes, reason) in table {
            play_connected(limits(), &format!("C: BEGIN|transaction:t||^{bytes}\nS: ERROR|…\nX: refused {reason}"));
        }
        let large = "x".repeat(1000);
        play_connected(
            limits(),
            &format!(
                "
                C: BEGIN|transaction:t||^SEND|destination:/a|transaction:t||{large}^
                S: ERROR|…
                X: refused 106 open transactions may hold 1000 bytes together
                "
            ),
        );
        play_connected(
            limits(),
            "
            C: BEGIN|transaction:t||^
            T: 4000
            C: BEGIN|transaction:u||^COMMIT|transaction:t||^
            E: commit t []
            T: 4999
            T: 1
            S: ERROR|message:limit exceeded|code:106|reason:a transaction was open for more than 5 s|retryable:true|…
            X: refused 106 a transaction was open for more than 5 s
            ",
        );
    }

    #[test]
    fn disconnect_aborts() {
        play_connected(
            settings(),
            "C: BEGIN|transaction:t||^SEND|destination:/a|transaction:t||^DISCONNECT||^\nE: disconnect\nX: disconnected",
        );
    }
}

mod heart_beating {
    use super::*;

    const CONNECTED: &str = "
        C: CONNECT|accept-version:1.2|heart-beat:4000,12000||^
        E: connect login=- passcode=-
        D: accept
        S: CONNECTED|version:1.2|session:7|server:homeroom/1|heart-beat:10000,10000||^
    ";

    #[test]
    fn stomp_1_2_heart_beating_we_speak_every_max_of_sx_and_cy() {
        play(
            settings(),
            &format!(
                "{CONNECTED}
                T: 11999
                C: |
                T: 1
                S: |
                T: 6000
                D: sent
                T: 11999
                D: heard
                T: 1
                S: |
                "
            ),
        );
    }

    #[test]
    fn stomp_1_2_heart_beating_any_byte_is_life_and_silence_is_not() {
        play(
            settings(),
            &format!(
                "{CONNECTED}
                T: 5000
                C: |
                T: 7000
                S: |
                T: 12000
                S: |
                C: SE
                T: 12000
                S: |
                D: heard
                T: 12000
                S: |
                T: 12000
                S: |
                T: 999
                T: 1
                X: silent
                "
            ),
        );
    }

    #[test]
    fn no_heart_beats_where_one_side_wants_none() {
        for connect in [
            "CONNECT|accept-version:1.2||^",
            "CONNECT|heart-beat:1000,1000||^",
            "CONNECT|accept-version:1.1|heart-beat:0,0||^",
        ] {
            play(
                settings(),
                &format!("C: {connect}\nE: connect login=- passcode=-\nD: accept\nS: CONNECTED|…\nT: 1000000"),
            );
        }
    }

    #[test]
    fn whom_we_do_not_listen_to_is_not_silent() {
        let settings = limited(Limits { receipts_pending_max: 1, ..Limits::default() });
        play(
            settings,
            "
            C: CONNECT|accept-version:1.2|heart-beat:4000,0||^
            E: connect login=- passcode=-
            D: accept
            S: CONNECTED|…
            C: SEND|destination:/1|receipt:1||^
            E: send /1 “” #1
            T: 25000
            T: 20000
            D: confirm #1
            S: RECEIPT|receipt-id:1||^
            T: 24999
            T: 1
            X: silent
            ",
        );
    }
}
