//! The results as one page for a browser: a single file that asks the network for nothing.
//!
//! - `page.html`: the page's frame, with three places to fill;
//! - `style.css`: its looks, on screens light and dark, on phones, and on paper;
//! - the scripts, one idea a file, in the order in which they build on one another:
//!   - `elements.js`, `numbers.js`: elements, and numbers as people write them;
//!   - `data.js`: the document, its networks, groups and series;
//!   - `choices.js`: what the reader has chosen, and what that leaves to show;
//!   - `scale.js`, `marks.js`: axes, and the shapes and colours of series;
//!   - `card.js`: one network, all that is known of it, and how to export it;
//!   - `summary.js`: the headline, and what the numbers say;
//!   - `expectations.js`, `against.js`: the results held against what `[expect]` says, and against another report;
//!   - `filter.js`: the controls;
//!   - `front.js`, `hover.js`, `scatter.js`: accuracy against size, the Pareto front, and moving from mark to mark;
//!   - `table.js`, `curves.js`, `layers.js`, `graph.js`: the sections below;
//!   - `main.js`: puts the sections on the page.

/// The frame, with `{{style}}`, `{{document}}` and `{{script}}` in this order.
const PAGE: &str = include_str!("page.html");

const STYLE: &str = include_str!("style.css");

/// In the order in which they build on one another.
const SCRIPTS: [&str; 18] = [
    include_str!("elements.js"),
    include_str!("numbers.js"),
    include_str!("data.js"),
    include_str!("choices.js"),
    include_str!("scale.js"),
    include_str!("marks.js"),
    include_str!("card.js"),
    include_str!("summary.js"),
    include_str!("expectations.js"),
    include_str!("against.js"),
    include_str!("filter.js"),
    include_str!("front.js"),
    include_str!("hover.js"),
    include_str!("scatter.js"),
    include_str!("table.js"),
    include_str!("curves.js"),
    include_str!("layers.js"),
    include_str!("graph.js"),
];

/// The last script: it runs what the others define.
const MAIN: &str = include_str!("main.js");

/// The page that shows `document`, the JSON of a report. Names in it are shown as text, whatever they contain: nothing in
/// the document can end the element that holds it.
pub fn page(document: &str) -> String {
    let script = format!("(() => {{\n\"use strict\";\n{}\n{MAIN}}})();\n", SCRIPTS.join("\n"));
    let mut page = String::with_capacity(PAGE.len() + STYLE.len() + document.len() + script.len());
    let mut rest = PAGE;
    // One pass over the frame, so that a place's name inside the document stays what it is.
    for (place, content) in [("{{style}}", STYLE), ("{{document}}", &escaped(document)), ("{{script}}", &script)] {
        let (before, after) = rest.split_once(place).unwrap_or((rest, ""));
        page.push_str(before);
        page.push_str(content);
        rest = after;
    }
    page.push_str(rest);
    page
}

/// JSON without `<`. In JSON it can be inside strings only, where `\u003c` means the same.
fn escaped(document: &str) -> String {
    document.replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text of the element that holds the document.
    fn embedded(page: &str) -> &str {
        let (_, rest) =
            page.split_once("<script type=\"application/json\" id=\"report\">").expect("the element begins");
        rest.split_once("</script>").expect("the element ends").0
    }

    #[test]
    fn names_cannot_end_the_element_that_holds_them() {
        let hostile = serde_json::json!({"name": "</script><img src=x onerror=alert(1)><!-- {{script}} {{style}}"});
        let page = page(&hostile.to_string());
        let text = embedded(&page);
        assert!(!text.contains('<'), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(text).expect("still JSON"), hostile);
    }

    #[test]
    fn everything_is_in_the_page_and_nothing_comes_from_elsewhere() {
        let page = page("{}");
        for part in SCRIPTS.iter().chain([&STYLE, &MAIN]) {
            assert!(page.contains(part));
        }
        for place in ["{{style}}", "{{document}}", "{{script}}"] {
            assert!(!page.contains(place), "{place} is still there");
        }
        // The name of SVG is no address that is asked for.
        let addresses = page.replace("http://www.w3.org/2000/svg", "");
        for address in ["http:", "https:", "src=", "@import", "url("] {
            assert!(!addresses.contains(address), "the page has `{address}`");
        }
    }

    #[test]
    fn no_script_ends_the_element_that_holds_it() {
        for script in SCRIPTS.iter().chain([&MAIN]) {
            assert!(!script.contains("</script") && !script.contains("<!--"));
        }
    }
}
