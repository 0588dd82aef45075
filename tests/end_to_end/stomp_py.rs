//! stomp_py
