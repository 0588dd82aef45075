//! idle_memory
