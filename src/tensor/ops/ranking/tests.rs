use super::rank;
use crate::tensor::Backend;
use crate::tensor::check::{TestDevice, test_device};

const ROWS: [f32; 6] = [3.0, 1.0, 2.0, 0.0, 5.0, 5.0];

#[test]
fn of_equal_logits_the_lower_class_is_ahead_and_what_is_no_number_always() {
    assert_eq!([rank(&ROWS[..3], 0), rank(&ROWS[..3], 2), rank(&ROWS[3..], 1), rank(&ROWS[3..], 2)], [0, 1, 0, 1]);
    assert_eq!(rank(&[f32::NAN, 1.0], 1), 1);
}

#[test]
fn rows_that_rank_the_label_first_are_counted() {
    let logits = test_device().upload(&ROWS).unwrap();
    let count = |labels: &[u32]| TestDevice::count_right(&logits, labels, 3).map(|count| TestDevice::download(&count));
    assert_eq!([[0, 1], [0, 2], [1, 0]].map(|labels| count(&labels).unwrap()), [[2.0], [1.0], [0.0]]);
    assert!(count(&[0]).is_err(), "labels for one row");
    assert!(count(&[0, 3]).is_err(), "no such class");
}
