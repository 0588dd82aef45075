//! What the broker promises, looked at from outside. Each file is one behaviour.
//!
//! Chapters, in the order in which a newcomer should read them:
//!
//! 1. **A conversation**: what is said and answered, on WebSocket and TCP, and what is refused.
//! 2. **Destinations**: where a message goes.
//! 3. **Other doors**: the same over HTTP.
//! 4. **The way in**: TLS, and proxies that speak for others.
//! 5. **Cursors**: who gets what, who comes back to what, and when a cursor moves.
//! 6. **Faults**: killed processes, full disks, students that stop reading, operators' mistakes.
//! 7. **Load**: many who come in, joins under load, thousands who listen.
//! 8. **Real clients**: the libraries that people use.

mod attacks;
mod conversation;
mod heart_beats;
mod last_words;
mod limit_hits;
mod limits;
mod rates;
mod refused_again;
mod soft_errors;
mod specification;

mod aliases;
mod destinations;
mod presence;
mod private;
mod queue_corners;
mod queues;
mod replies;

mod doctor_tls;
mod http_batch;
mod http_bodies;
mod http_doctor;
mod http_origins;
mod http_publish;
mod origins;

mod proxies;
mod tls;

mod acknowledgement;
mod durable;
mod ephemeral;
mod expiry;
mod gaps;
mod idempotency;
mod joint_transactions;
mod settled;
mod signed_in;
mod start_positions;
mod takeover;
mod transactions;

mod access;
mod access_changes;
mod access_files;
mod commands_sign_in;
mod crash;
mod crash_queue;
mod disk_full;
mod erasure;
mod graceful_stop;
mod hook;
mod hook_meanwhile;
mod management;
mod operations;
mod slow_reader;
mod threats;

mod arrivals;
mod bench;
mod churn;
mod fast_path;
mod floods;
mod handover;
mod idle_memory;

mod doors;
mod http2;
mod http_read;
mod openapi;
mod sockjs;
mod sockjs_clients;
mod sockjs_protocol;

mod every_client;
mod readme;
mod stomp_py;
mod stompjs;
mod todays_classrooms;
