//! plotters' SVG backend, made the same everywhere.
//!
//! plotters measures text with what the platform offers: nothing on a server without fonts, and in a browser spans
//! with `style` attributes that our Content-Security-Policy refuses. This backend measures by rule of thumb instead.
//! Its colours stand for classes ([`Ink`]), so that one picture serves both themes.

use std::io;

use plotters::{
    prelude::{DrawingBackend, SVGBackend},
    style::RGBColor,
};
use plotters_backend::{BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingErrorKind};

/// Units of the picture in one CSS pixel: plotters knows whole units only, and a line at whole pixels has steps.
pub(super) const SUBPIXELS: i32 = 4;

/// What a colour stands for; `style/components/chart.css` gives it its looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    /// Lines of the grid.
    Grid,
    /// Where a day begins.
    Day,
    /// Labels of the axes.
    Label,
    /// Between target and alert.
    DegradedBand,
    /// Beyond the alert threshold.
    AlertBand,
    /// The target.
    Target,
    /// The alert threshold.
    Alert,
    /// A line, by its place.
    Line(u8),
    /// The area under the only line.
    Area,
    /// What stands where nothing could be drawn.
    Empty,
}

impl Ink {
    const fn code(self) -> u8 {
        match self {
            Self::Grid => 1,
            Self::Day => 2,
            Self::Label => 3,
            Self::DegradedBand => 4,
            Self::AlertBand => 5,
            Self::Target => 6,
            Self::Alert => 7,
            Self::Area => 8,
            Self::Empty => 9,
            Self::Line(i) => 16 + i,
        }
    }

    fn class(code: u8) -> String {
        match code {
            1 => "grid".into(),
            2 => "day".into(),
            3 => "label".into(),
            4 => "degraded-band".into(),
            5 => "alert-band".into(),
            6 => "target".into(),
            7 => "alert".into(),
            8 => "area".into(),
            9 => "empty".into(),
            line => format!("line line-{}", line.saturating_sub(15)),
        }
    }

    /// The colour that stands for it while plotters draws.
    pub(super) const fn color(self) -> RGBColor {
        RGBColor(1, 0, self.code())
    }
}

/// Puts classes where the standing-in colours are, and takes out what says nothing.
pub(super) fn finish(svg: &str) -> String {
    let mut out = String::with_capacity(svg.len());
    let mut rest = svg;
    while let Some(at) = rest.find("=\"#0100") {
        let (before, from) = rest.split_at(at);
        let code = from
            .get(7..9)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok())
            .unwrap_or_default();
        let kept = before.rfind(' ').map_or(before, |space| &before[..space]);
        out.push_str(kept);
        out.push_str(" class=\"");
        out.push_str(&Ink::class(code));
        out.push('"');
        rest = from.get(10..).unwrap_or_default();
    }
    out.push_str(rest);
    for nothing in [
        " opacity=\"1\"",
        " stroke=\"none\"",
        " stroke-width=\"1\"",
        " font-family=\"sans-serif\"",
        "\n",
    ] {
        out = out.replace(nothing, "");
    }
    out.replacen(
        "<svg ",
        "<svg class=\"chart-svg\" aria-hidden=\"true\" focusable=\"false\" ",
        1,
    )
}

/// [`SVGBackend`] with a measure of text that is the same everywhere.
pub(super) struct Backend<'a>(pub SVGBackend<'a>);

impl DrawingBackend for Backend<'_> {
    type ErrorType = io::Error;

    fn get_size(&self) -> (u32, u32) {
        self.0.get_size()
    }

    fn ensure_prepared(&mut self) -> Result<(), DrawingErrorKind<io::Error>> {
        self.0.ensure_prepared()
    }

    fn present(&mut self) -> Result<(), DrawingErrorKind<io::Error>> {
        self.0.present()
    }

    fn draw_pixel(
        &mut self,
        point: BackendCoord,
        color: BackendColor,
    ) -> Result<(), DrawingErrorKind<io::Error>> {
        self.0.draw_pixel(point, color)
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Result<(), DrawingErrorKind<io::Error>> {
        self.0.draw_line(from, to, style)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        upper_left: BackendCoord,
        bottom_right: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Result<(), DrawingErrorKind<io::Error>> {
        self.0.draw_rect(upper_left, bottom_right, style, fill)
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Result<(), DrawingErrorKind<io::Error>> {
        self.0.draw_path(path, style)
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        center: BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Result<(), DrawingErrorKind<io::Error>> {
        self.0.draw_circle(center, radius, style, fill)
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        vert: I,
        style: &S,
    ) -> Result<(), DrawingErrorKind<io::Error>> {
        self.0.fill_polygon(vert, style)
    }

    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        pos: BackendCoord,
    ) -> Result<(), DrawingErrorKind<io::Error>> {
        self.0.draw_text(text, style, pos)
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        text: &str,
        style: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<io::Error>> {
        let size = style.size().max(0.0);
        #[allow(clippy::cast_precision_loss)]
        let width = text.chars().count() as f64 * size * 0.55;
        Ok((width as u32, size as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_become_classes() {
        let svg = "<svg a=\"1\">\n<rect x=\"1\" fill=\"#010005\" stroke=\"none\"/>\n<polyline fill=\"none\" opacity=\"1\" stroke=\"#010011\" points=\"\"/>\n</svg>";
        assert_eq!(
            finish(svg),
            "<svg class=\"chart-svg\" aria-hidden=\"true\" focusable=\"false\" a=\"1\"><rect x=\"1\" class=\"alert-band\"/>\
             <polyline fill=\"none\" class=\"line line-2\" points=\"\"/></svg>"
        );
    }

    #[test]
    fn each_ink_has_a_class_of_its_own() {
        let all = [
            Ink::Grid,
            Ink::Day,
            Ink::Label,
            Ink::DegradedBand,
            Ink::AlertBand,
            Ink::Target,
            Ink::Alert,
            Ink::Area,
            Ink::Empty,
            Ink::Line(0),
            Ink::Line(11),
        ];
        let mut classes: Vec<String> = all.into_iter().map(|ink| Ink::class(ink.code())).collect();
        classes.sort();
        classes.dedup();
        assert_eq!(classes.len(), all.len());
        assert_eq!(Ink::class(Ink::Line(0).code()), "line line-1");
    }
}
