//! The judge is judged first: it finds every planted defect, and leaves clean runs alone.

mod bugs;
mod clean;
mod files;
mod planted;
mod toy;
mod world;
