#![no_main]

#[path = "../checks/damage.rs"]
mod damage;

use libfuzzer_sys::fuzz_target;

fuzz_target!(
    // sled panics over damage and the store catches it: the fuzzer's own hook would end the process there.
    init: std::panic::set_hook(Box::new(|_| {})),
    |input: &[u8]| damage::damage(input)
);
