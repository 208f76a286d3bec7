use crate::tensor::check::{check, normal};
use crate::tensor::{Backend, Cpu, NoneTape};

#[test]
fn relu_keeps_the_positive_and_its_gradient_is_right() {
    // More values than one share.
    for count in [1, 5, 40_000] {
        let x = normal("x", count);
        let y = check(std::slice::from_ref(&x), |inputs, tape| Cpu::relu(&inputs[0], tape));
        assert_eq!(y, x.iter().map(|x| x.max(0.0)).collect::<Vec<_>>());
        let untaped = Cpu::relu(&Cpu::default().upload(&x).unwrap(), &mut NoneTape).unwrap();
        assert_eq!(Cpu::download(&untaped), y);
    }
}

#[test]
fn a_nan_goes_through() {
    let x = Cpu::default().upload(&[f32::NAN, -1.0, 0.0]).unwrap();
    let y = Cpu::download(&Cpu::relu(&x, &mut NoneTape).unwrap());
    assert!(y[0].is_nan() && y[1..] == [0.0, 0.0]);
}
