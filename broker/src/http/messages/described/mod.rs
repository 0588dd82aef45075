//! `/v1/messages` as `/openapi.json` has it.

mod publish;
mod read;

pub(in crate::http) use self::publish::publish;
pub(in crate::http) use self::read::read;
