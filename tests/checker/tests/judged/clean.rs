//! Where every promise was kept, the judge says so.

use homeroom_checker::judge;

use crate::world::run;

#[test]
fn a_thousand_clean_runs_are_left_alone() {
    for seed in 0..1_000 {
        let (entries, _) = run(seed, 400, None);
        let verdict = judge(&entries);
        assert!(verdict.violations.is_empty(), "seed {seed}: {verdict}");
        assert!(verdict.received > 100 && verdict.kept > 10, "seed {seed}: {verdict}");
    }
}
