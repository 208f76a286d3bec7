use crate::tensor::check::{assert_close, check_against_numpy};
use crate::tensor::{Backend, Cpu, NoneTape};

#[test]
fn it_agrees_with_numpy() {
    check_against_numpy("squared_error", &[0], |inputs, tape| Cpu::squared_error(&inputs[0], &inputs[1], tape));
}

#[test]
fn it_is_a_mean_and_sizes_must_be_equal() {
    let upload = |values: &[f32]| Cpu::default().upload(values).unwrap();
    let loss = Cpu::squared_error(&upload(&[1.0, 2.0]), &upload(&[3.0, 5.0]), &mut NoneTape).unwrap();
    assert_close(&Cpu::download(&loss), &[6.5], 1e-6);
    assert!(Cpu::squared_error(&upload(&[1.0, 2.0]), &upload(&[3.0]), &mut NoneTape).is_err());
}
