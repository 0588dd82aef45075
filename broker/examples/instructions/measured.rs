//! One row in each process: set up and warm, then so many operations inside
//! [`counted`] and nothing else there.
//!
//! Without an argument the program names its rows; with the name of one it
//! runs it, and prints how many operations it counted.

/// Operations before the count begins: buffers have grown and lazy values are there.
const WARM_UP: u32 = 64;

/// One path.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    /// As it stands in the baseline.
    pub name: &'static str,
    /// So many operations are counted.
    pub operations: u32,
    /// Prepares so many operations and gives what does one of them. Only the latter is counted.
    pub prepare: fn(operations: u32) -> Box<dyn FnMut()>,
}

/// Does as the arguments say.
pub(crate) fn run(rows: &[Row]) {
    let Some(wanted) = std::env::args().nth(1) else {
        rows.iter().for_each(|row| println!("{}", row.name));
        return;
    };
    let Some(row) = rows.iter().find(|row| row.name == wanted) else {
        eprintln!("there is no row \"{wanted}\": run this without an argument to see which there are");
        std::process::exit(2);
    };
    let mut operation = (row.prepare)(row.operations + WARM_UP);
    (0..WARM_UP).for_each(|_| operation());
    counted(row.operations, &mut *operation);
    println!("{}", row.operations);
}

/// Callgrind counts while this runs. It knows it by its name, so it is neither inlined nor generic.
#[inline(never)]
fn counted(operations: u32, operation: &mut dyn FnMut()) {
    for _ in 0..operations {
        operation();
    }
}
