//! stompjs
