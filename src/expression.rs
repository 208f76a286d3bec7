//! Arithmetic that a manifest writes out, such as `accuracy / reference.accuracy * (1 - parameters / reference.parameters)`:
//! numbers, names, `+ - * / % **`, comparisons, and functions such as `sqrt`, `ln`, `min`. Read by the crate `rhai`, of which
//! everything is left out that loops, defines or reaches out.

use rhai::packages::{ArithmeticPackage, BasicMathPackage, LogicPackage, Package};
use rhai::{Dynamic, Engine, EvalAltResult, LexError, Map, ParseErrorType, Position, Scope};

use crate::math;

/// What an expression can name. Values that were not measured are left out: what depends on them has no value.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// `accuracy`.
    pub own: Vec<(String, f64)>,
    /// `reference.accuracy`.
    pub reference: Option<Vec<(String, f64)>>,
}

/// The prefix of the reference's values.
const REFERENCE: &str = "reference";

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// What it is.
    pub message: String,
    /// The name that is not known, if that is it.
    pub unknown: Option<String>,
    /// At which character, from 0; `None` for the whole.
    pub at: Option<usize>,
}

/// Reads and works out expressions.
pub struct Calculator(Engine);

impl Default for Calculator {
    fn default() -> Self {
        let mut engine = Engine::new_raw();
        ArithmeticPackage::new().register_into_engine(&mut engine);
        LogicPackage::new().register_into_engine(&mut engine);
        BasicMathPackage::new().register_into_engine(&mut engine);
        with_own_functions(&mut engine);
        engine.set_fail_on_invalid_map_property(true);
        engine.set_max_expr_depths(64);
        engine.set_max_operations(10_000);
        Self(engine)
    }
}

impl Calculator {
    /// The value of `expression`.
    ///
    /// # Errors
    /// When it cannot be read, names what is not there, or is no number.
    pub fn evaluate(&self, expression: &str, names: &Names) -> Result<f64, Wrong> {
        let mut scope = Scope::new();
        for (name, value) in &names.own {
            scope.push_constant(name.as_str(), *value);
        }
        if let Some(values) = &names.reference {
            let map: Map = values.iter().map(|(name, value)| (name.as_str().into(), Dynamic::from(*value))).collect();
            scope.push_constant(REFERENCE, map);
        }
        let value =
            self.0.eval_expression_with_scope::<Dynamic>(&mut scope, expression).map_err(|error| wrong(*error))?;
        let whole = value.as_int().map(|number| number as f64);
        value.as_float().or(whole).map_err(|found| Wrong {
            message: format!("the expression is a {found} and no number"),
            unknown: None,
            at: None,
        })
    }
}

/// Puts [`math`]'s functions in the place of the packages', which are the host's: a search chooses by what they give.
fn with_own_functions(engine: &mut Engine) {
    // Otherwise `**` of two numbers never asks for a function.
    engine.set_fast_operators(false);
    engine.register_fn("**", math::powf);
    engine.register_fn("**", |base: f64, exponent: i64| math::powf(base, exponent as f64));
    engine.register_fn("**", |base: i64, exponent: f64| math::powf(base as f64, exponent));
    engine.register_fn("log", |x: f64, base: f64| math::ln(x) / math::ln(base));
    for (name, function) in math::FUNCTIONS {
        engine.register_fn(*name, *function);
    }
    for (name, function) in math::FUNCTIONS_OF_TWO {
        engine.register_fn(*name, *function);
    }
}

fn wrong(error: EvalAltResult) -> Wrong {
    let place = |position: Position| position.position().map(|column| column.saturating_sub(1));
    let at = place(error.position());
    let (message, unknown) = match error {
        EvalAltResult::ErrorVariableNotFound(name, _) | EvalAltResult::ErrorPropertyNotFound(name, _) => {
            (format!("there is no `{name}`"), Some(name))
        }
        EvalAltResult::ErrorFunctionNotFound(signature, _) => (format!("there is no function `{signature}`"), None),
        EvalAltResult::ErrorParsing(ParseErrorType::UnexpectedEOF, _) => {
            ("the expression ends too early".to_owned(), None)
        }
        EvalAltResult::ErrorParsing(ParseErrorType::BadInput(LexError::UnexpectedInput(found)), _) => {
            // A character that joins the one before it cannot be shown by itself.
            let found = found.trim_start_matches("Unexpected ").trim_matches('\'');
            (format!("the expression cannot be read: unexpected `{}`", found.escape_debug()), None)
        }
        EvalAltResult::ErrorParsing(kind, _) => (format!("the expression cannot be read: {kind}"), None),
        mut other => {
            other.clear_position();
            (format!("the expression cannot be worked out: {other}"), None)
        }
    };
    Wrong { message, unknown, at }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluate(expression: &str) -> Result<f64, Wrong> {
        let own = vec![("accuracy".to_owned(), 0.9), ("parameters".to_owned(), 30.0)];
        let reference = vec![("accuracy".to_owned(), 0.8), ("parameters".to_owned(), 120.0)];
        Calculator::default().evaluate(expression, &Names { own, reference: Some(reference) })
    }

    #[test]
    fn arithmetic_with_whole_numbers_and_fractions() {
        assert_eq!(evaluate("1 + 2 * 3"), Ok(7.0));
        assert_eq!(evaluate("accuracy - reference.accuracy").map(|x| (x * 1e6).round()), Ok(100_000.0));
        assert_eq!(evaluate("1 - parameters / reference.parameters"), Ok(0.75));
        assert_eq!(evaluate("sqrt(parameters + 6)"), Ok(6.0));
    }

    #[test]
    fn functions_are_not_the_hosts() {
        for x in [0.1, 0.7, 1.3, 5.2, 11.9] {
            let value = |expression: &str| evaluate(&expression.replace('#', &format!("{x:?}"))).unwrap().to_bits();
            assert_eq!(value("# ** 0.3"), math::powf(x, 0.3).to_bits());
            assert_eq!(value("# ** 3"), math::powf(x, 3.0).to_bits());
            assert_eq!(value("3 ** #"), math::powf(3.0, x).to_bits());
            assert_eq!(value("log(#, 2.0)"), (math::ln(x) / math::ln(2.0)).to_bits());
            assert_eq!(value("hypot(#, 2.0)"), libm::hypot(x, 2.0).to_bits());
            for (name, function) in math::FUNCTIONS {
                let found = value(&format!("{name}(#)"));
                assert!(found == function(x).to_bits() || function(x).is_nan(), "{name}({x})");
            }
        }
        assert_eq!(evaluate("2 ** 10"), Ok(1024.0));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let told = |expression: &str| evaluate(expression).map_err(|wrong| (wrong.message, wrong.at)).unwrap_err();
        insta::assert_debug_snapshot!(
            ["1 + acuracy", "reference.acuracy", "1 +", "(1", "accuracy > 1", "foo(1)", "let x = 1", "while true {}", "1 / 0", "'a'"]
                .map(told),
            @r#"
        [
            (
                "there is no `acuracy`",
                Some(
                    4,
                ),
            ),
            (
                "there is no `acuracy`",
                Some(
                    10,
                ),
            ),
            (
                "the expression ends too early",
                Some(
                    3,
                ),
            ),
            (
                "the expression cannot be read: Expecting ')' for a matching ( in this expression",
                Some(
                    2,
                ),
            ),
            (
                "the expression is a bool and no number",
                None,
            ),
            (
                "there is no function `foo (i64)`",
                Some(
                    0,
                ),
            ),
            (
                "the expression cannot be read: unexpected `let`",
                Some(
                    0,
                ),
            ),
            (
                "the expression cannot be read: unexpected `while`",
                Some(
                    0,
                ),
            ),
            (
                "the expression cannot be worked out: Division by zero: 1 / 0",
                Some(
                    2,
                ),
            ),
            (
                "the expression is a char and no number",
                None,
            ),
        ]
        "#
        );
    }

    #[test]
    fn a_character_that_joins_the_one_before_it_is_told_by_its_number() {
        let wrong = evaluate("1 + accuracy\u{301}").unwrap_err();
        assert_eq!(wrong.message, "the expression cannot be read: unexpected `\\u{301}`");
        assert_eq!(wrong.at, Some(12));
    }

    #[test]
    fn a_reference_that_is_not_there_is_unknown() {
        let names = Names { own: Vec::new(), reference: None };
        let wrong = Calculator::default().evaluate("reference.accuracy", &names).unwrap_err();
        assert_eq!(wrong.unknown.as_deref(), Some("reference"));
    }
}
