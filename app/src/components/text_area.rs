//! A field for several lines of text, as guarded actions take them: at most 2,000 characters.

use leptos::prelude::*;

/// The field, without its label.
#[component]
pub fn TextArea(
    /// Its name in the form.
    name: &'static str,
    /// How many lines it shows.
    rows: &'static str,
    /// Whether the form wants it.
    #[prop(optional)]
    required: bool,
    /// What stands in it.
    #[prop(optional)]
    text: String,
) -> impl IntoView {
    view! { <textarea name=name rows=rows maxlength="2000" required=required>{content(&text)}</textarea> }
}

/// Leptos writes what stands in a `textarea` as it is, without escaping it. Browsers drop a line feed at its beginning.
fn content(text: &str) -> String {
    format!("\n{}", text.replace('&', "&amp;").replace('<', "&lt;"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_the_field() {
        let html =
            view! { <TextArea name="a" rows="2" text="\n</textarea><script>1</script> & &lt;".to_owned() /> }
                .to_html();
        let (_, inside) = html.split_once('>').unwrap();
        assert_eq!(
            inside.split("</textarea>").next().unwrap(),
            "\n\n&lt;/textarea>&lt;script>1&lt;/script> &amp; &amp;lt;"
        );
        assert_eq!(html.matches("</textarea>").count(), 1, "{html}");
    }
}
