//! What the steps of an epoch came to. The numbers stay on the device until they are looked at, several steps at once where
//! looking makes the host wait ([`Backend::LOOK_EVERY`]).

use super::Stop;
use crate::error::{Error, Kind, Result};
use crate::tensor::{self, Backend, Flat};

/// A number that was not looked at yet.
struct Waiting<B: Backend> {
    /// From 0.
    step: usize,
    number: Number,
    tensor: Flat<B>,
}

enum Number {
    /// The mean objective of so many images.
    Loss { images: usize },
    /// How many answers were right.
    Right,
    /// The objective of the peer of mutual learning.
    PeerLoss,
}

/// The numbers of one epoch.
pub struct Watch<'a, B: Backend> {
    /// From 0.
    epoch: u64,
    /// The learning rate of every step.
    rates: &'a [f64],
    waiting: Vec<Waiting<B>>,
    /// Of the steps that were looked at; all finite.
    losses: Vec<f64>,
    loss_sum: f64,
    right: f64,
    images: usize,
}

impl<'a, B: Backend> Watch<'a, B> {
    /// Of an epoch (from 0) that has not begun.
    pub fn new(epoch: u64, rates: &'a [f64]) -> Self {
        Self { epoch, rates, waiting: Vec::new(), losses: Vec::new(), loss_sum: 0.0, right: 0.0, images: 0 }
    }

    /// Notes what a step (from 0) came to on so many images, one number each, and looks if it is time to.
    ///
    /// # Errors
    /// As [`Watch::look`].
    pub fn note(&mut self, step: usize, images: usize, loss: Flat<B>, right: Flat<B>) -> Result<(), Stop> {
        self.waiting.push(Waiting { step, number: Number::Loss { images }, tensor: loss });
        self.waiting.push(Waiting { step, number: Number::Right, tensor: right });
        self.look_if_due(step)
    }

    /// Notes the peer's loss, one number, and looks if it is time to.
    ///
    /// # Errors
    /// As [`Watch::look`].
    pub fn note_peer(&mut self, step: usize, loss: Flat<B>) -> Result<(), Stop> {
        self.waiting.push(Waiting { step, number: Number::PeerLoss, tensor: loss });
        self.look_if_due(step)
    }

    fn look_if_due(&mut self, step: usize) -> Result<(), Stop> {
        if (step + 1).is_multiple_of(B::LOOK_EVERY) { self.look() } else { Ok(()) }
    }

    /// Reads what waits.
    ///
    /// # Errors
    /// [`Stop::Diverged`] at the first loss that is not finite.
    pub fn look(&mut self) -> Result<(), Stop> {
        let tensors: Vec<&Flat<B>> = self.waiting.iter().map(|waiting| &waiting.tensor).collect();
        let values = tensor::numbers(&tensors)?;
        for (Waiting { step, number, .. }, value) in std::mem::take(&mut self.waiting).into_iter().zip(values) {
            let value = f64::from(value);
            match number {
                Number::Loss { .. } if !value.is_finite() => return Err(self.diverged("the loss", step)),
                Number::PeerLoss if !value.is_finite() => return Err(self.diverged("the peer's loss", step)),
                Number::Loss { images } => {
                    self.losses.push(value);
                    self.loss_sum += value * images as f64;
                    self.images += images;
                }
                Number::Right => self.right += value,
                Number::PeerLoss => {}
            }
        }
        Ok(())
    }

    /// What is told when something was not finite at a step; everything before it must have been looked at.
    pub fn diverged(&self, what: &str, step: usize) -> Stop {
        let at = format!("epoch {}, step {} of {}", self.epoch + 1, step + 1, self.rates.len());
        let before = step.checked_sub(1).and_then(|before| self.losses.get(before));
        let number = |loss: &f64| if loss.abs() < 1e6 { format!("{loss:.6}") } else { format!("{loss:.3e}") };
        let last = before
            .map_or("there was no finite loss".to_owned(), |loss| format!("the last finite loss was {}", number(loss)));
        let message = format!("{what} is not finite at {at}; {last}; the learning rate was {:?}", self.rates[step]);
        let error =
            Error::new(Kind::Diverged, message).hint("lower `optimizer.lr`, warm up longer, or set `clip-norm`");
        Stop::Diverged { error, last_finite: None }
    }

    /// The mean objective of the images that were looked at.
    pub fn loss(&self) -> f64 {
        self.loss_sum / self.images as f64
    }

    /// The share of right answers among them.
    pub fn accuracy(&self) -> f64 {
        self.right / self.images as f64
    }

    /// How many images were looked at.
    pub fn images(&self) -> usize {
        self.images
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Cpu;

    const RATES: [f64; 4] = [0.4, 0.3, 0.2, 0.1];

    fn number(value: f32) -> Flat<Cpu> {
        Cpu::default().upload(&[value]).unwrap()
    }

    /// As on a device that is looked at seldom.
    fn seldom(losses: &[f32]) -> Watch<'static, Cpu> {
        let mut watch = Watch::new(2, &RATES);
        for (step, loss) in losses.iter().enumerate() {
            let (loss, right) = (number(*loss), number(2.0));
            watch.waiting.push(Waiting { step, number: Number::Loss { images: 4 - step }, tensor: loss });
            watch.waiting.push(Waiting { step, number: Number::Right, tensor: right });
        }
        watch
    }

    fn message(result: Result<(), Stop>) -> String {
        match result.unwrap_err() {
            Stop::Diverged { error, .. } => error.message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn seldom_or_always_the_sums_are_the_same() {
        let losses = [0.5, 0.25, 0.125];
        let mut late = seldom(&losses);
        late.look().unwrap();
        let mut always = Watch::<Cpu>::new(2, &RATES);
        for (step, loss) in losses.into_iter().enumerate() {
            always.note(step, 4 - step, number(loss), number(2.0)).unwrap();
            assert!(always.waiting.is_empty(), "the processor does not wait");
        }
        for watch in [late, always] {
            assert_eq!((watch.loss(), watch.accuracy(), watch.images()), (3.0 / 9.0, 6.0 / 9.0, 9));
        }
    }

    #[test]
    fn what_is_not_finite_is_told_of_its_step() {
        insta::assert_snapshot!(
            message(seldom(&[0.5, 0.25, f32::NAN, 0.1]).look()),
            @"the loss is not finite at epoch 3, step 3 of 4; the last finite loss was 0.250000; the learning rate was 0.2"
        );
        insta::assert_snapshot!(
            message(seldom(&[f32::INFINITY]).look()),
            @"the loss is not finite at epoch 3, step 1 of 4; there was no finite loss; the learning rate was 0.4"
        );
        let mut watch = seldom(&[0.5, 0.25]);
        watch.waiting.push(Waiting { step: 1, number: Number::PeerLoss, tensor: number(f32::NAN) });
        insta::assert_snapshot!(
            message(watch.look()),
            @"the peer's loss is not finite at epoch 3, step 2 of 4; the last finite loss was 0.500000; the learning rate was 0.3"
        );
        let mut always = Watch::<Cpu>::new(0, &RATES);
        assert!(message(always.note(0, 1, number(f32::NAN), number(0.0))).contains("the loss"));
        assert!(message(always.note_peer(0, number(f32::NAN))).contains("the peer's loss"));
    }
}
