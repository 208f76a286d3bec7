use crate::tensor::check::{assert_close, check_against_numpy};
use crate::tensor::{Backend, Cpu, NoneTape};

#[test]
fn it_agrees_with_numpy() {
    check_against_numpy("fsp", &[0, 1], |inputs, tape| {
        Cpu::flow([&inputs[0], &inputs[1]], [&inputs[2], &inputs[3]], 3, [2, 4], tape)
    });
}

#[test]
fn a_case_computed_by_hand_and_sizes_that_do_not_meet() {
    let upload = |values: &[f32]| Cpu::default().upload(values).unwrap();
    // Two positions of one channel each: G is (1·3 + 2·4) / 2 for the student and 5·6 for the teacher's one position.
    let (a, b, c, d) = (upload(&[1.0, 2.0]), upload(&[3.0, 4.0]), upload(&[5.0]), upload(&[6.0]));
    let loss = Cpu::flow([&a, &b], [&c, &d], 1, [1, 1], &mut NoneTape).unwrap();
    assert_close(&Cpu::download(&loss), &[(5.5_f32 - 30.0).powi(2)], 1e-6);
    assert!(Cpu::flow([&a, &c], [&c, &d], 1, [1, 1], &mut NoneTape).is_err());
}

#[test]
fn a_layer_may_be_both_ends() {
    let x = crate::tensor::check::normal("x", 12);
    let teacher = Cpu::default().upload(&crate::tensor::check::normal("teacher", 12)).unwrap();
    crate::tensor::check::check(&[x], |inputs, tape| {
        Cpu::flow([&inputs[0], &inputs[0]], [&teacher, &teacher], 2, [3, 3], tape)
    });
}
