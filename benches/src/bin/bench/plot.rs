//! A record as two plots, each as SVG and as PNG: throughput against size, and time at small sizes.
//!
//! One line a library, named at its end. The colours are Okabe and Ito's, which colour-blind people tell apart; ours is
//! black and thick.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};
use tablecrypt_benches::case::{Case, Op};

use crate::plan::{AAD, SIZES, case};
use crate::quick::is_rival;
use crate::record::Record;
use crate::run::row;
use crate::table::label;

/// Writes the four files into `folder`.
pub(crate) fn draw(record: &Record, folder: &Path) -> Result<()> {
    // Only its measures and PNG need it; an SVG is drawn with the font of whoever looks.
    register_font("sans-serif", FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT)
        .map_err(|_| anyhow!("the font is not one"))?;
    for (name, plot) in [("throughput", throughput(record)), ("latency", latency(record))] {
        let (width, height) = SIZE;
        {
            let path = folder.join(format!("{name}.svg"));
            let area = SVGBackend::new(&path, SIZE).into_drawing_area();
            plot.draw(&area, 1)?;
        }
        {
            let path = folder.join(format!("{name}.png"));
            let area = BitMapBackend::new(&path, (2 * width, 2 * height)).into_drawing_area();
            plot.draw(&area, 2)?;
        }
    }
    Ok(())
}

fn throughput(record: &Record) -> Plot {
    let mut lines = Vec::new();
    if let Some(limit) = limit(record) {
        lines.push(limit);
    }
    lines.extend(libraries(record, &SIZES, true, |size, time| size as f64 / time));
    Plot::new(record, "AES-256-GCM seal, GB/s", &SIZES, lines)
}

fn latency(record: &Record) -> Plot {
    let lines = libraries(record, &SIZES[..SMALL_SIZES], false, |_, time| time);
    Plot::new(record, "AES-256-GCM seal, ns a message", &SIZES[..SMALL_SIZES], lines)
}

/// What a user gets, portable if it is wanted, and the rivals.
fn libraries(record: &Record, sizes: &[usize], portable: bool, value: impl Fn(usize, f64) -> f64) -> Vec<Line> {
    let mut colours = COLOURS.iter().cycle();
    let mut lines = Vec::new();
    for library in &record.libraries {
        let name = library.name.as_str();
        let (colour, width, dashed) = match name {
            "tablecrypt" => (BLACK, 4, false),
            "tablecrypt:portable" if portable => (BLACK, 2, true),
            _ if is_rival(name) => (*colours.next().unwrap_or(&BLACK), 2, false),
            _ => continue,
        };
        let point = |size: &usize| {
            let time = row(&record.rows, &case(Op::Seal, *size))?.min(name)?;
            Some((*size, value(*size, time)))
        };
        let points: Vec<_> = sizes.iter().filter_map(point).collect();
        if !points.is_empty() {
            lines.push(Line { title: record.title(name), colour, width, dashed, points });
        }
    }
    // The last drawn lies on top: ours.
    lines.sort_by_key(|line| line.width);
    lines
}

/// The port limit of the best backend, across the whole width.
fn limit(record: &Record) -> Option<Line> {
    let best = record.libraries.iter().find_map(|library| library.name.strip_prefix("tablecrypt:"))?;
    let largest = Case { size: SIZES[SIZES.len() - 1], ..case(Op::Seal, 0) };
    let rate = largest.size as f64 / row(&record.rows, &largest)?.min(&format!("limit:{best}:4"))?;
    let points = vec![(SIZES[0], rate), (largest.size, rate)];
    Some(Line { title: format!("port limit, {best}"), colour: GREY, width: 1, dashed: true, points })
}

struct Plot {
    title: String,
    subtitle: String,
    sizes: Vec<usize>,
    lines: Vec<Line>,
}

struct Line {
    title: String,
    colour: RGBColor,
    width: u32,
    dashed: bool,
    points: Vec<(usize, f64)>,
}

impl Plot {
    fn new(record: &Record, title: &str, sizes: &[usize], lines: Vec<Line>) -> Self {
        let machine = &record.machine;
        let subtitle = format!(
            "{}, one thread, {AAD} B of AAD, in place; minimum; commit {}, {}",
            machine.slug, machine.commit, machine.date
        );
        Self { title: title.into(), subtitle, sizes: sizes.into(), lines }
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, scale: i32) -> Result<()>
    where
        B::ErrorType: 'static,
    {
        let canvas = Canvas { area, scale };
        canvas.area.fill(&WHITE)?;
        let (left, right, top, bottom) = (60, i32::try_from(SIZE.0)? - 230, 80, i32::try_from(SIZE.1)? - 45);

        let most = self.lines.iter().flat_map(|line| &line.points).map(|point| point.1).fold(0.0, f64::max);
        let step = step(most);
        let ticks = (most / step).ceil().max(1.0) as i32;
        let x = |size: usize| {
            let [first, last] = [self.sizes[0], self.sizes[self.sizes.len() - 1]].map(|size| (size as f64).log2());
            left + (f64::from(right - left) * ((size as f64).log2() - first) / (last - first)) as i32
        };
        let y = |value: f64| bottom - (f64::from(bottom - top) * value / (f64::from(ticks) * step)) as i32;

        canvas.text(&self.title, (20, 28), 22, BLACK, HPos::Left)?;
        canvas.text(&self.subtitle, (20, 54), 14, GREY, HPos::Left)?;
        for tick in 0..=ticks {
            let value = f64::from(tick) * step;
            canvas.line(&[(left, y(value)), (right, y(value))], RGBColor(225, 225, 225), 1)?;
            let words = if step < 1.0 { format!("{value:.1}") } else { format!("{value:.0}") };
            canvas.text(&words, (left - 10, y(value)), 14, GREY, HPos::Right)?;
        }
        for &size in &self.sizes {
            canvas.line(&[(x(size), bottom), (x(size), bottom + 5)], GREY, 1)?;
            canvas.text(&label(size), (x(size), bottom + 18), 14, GREY, HPos::Center)?;
        }
        for line in &self.lines {
            let points: Vec<_> = line.points.iter().map(|(size, value)| (x(*size), y(*value))).collect();
            if line.dashed {
                canvas.dashes(&points, line.colour, line.width)?;
            } else {
                canvas.line(&points, line.colour, line.width)?;
            }
            if line.points.len() == self.sizes.len() {
                for &point in &points {
                    canvas.dot(point, line.colour, i32::try_from(line.width)? + 1)?;
                }
            }
        }
        self.labels(&canvas, right, |line| line.points.last().map_or(bottom, |point| y(point.1)), (top, bottom))
    }

    /// Each line's name at its end, moved up or down where two would meet.
    fn labels<B: DrawingBackend>(
        &self,
        canvas: &Canvas<'_, B>,
        right: i32,
        end: impl Fn(&Line) -> i32,
        (top, bottom): (i32, i32),
    ) -> Result<()>
    where
        B::ErrorType: 'static,
    {
        let mut lines: Vec<_> = self.lines.iter().map(|line| (end(line), line)).collect();
        lines.sort_by_key(|(end, _)| *end);
        let ends: Vec<_> = lines.iter().map(|(end, _)| *end).collect();
        for ((end, line), place) in lines.iter().zip(spread(&ends, 19, (top, bottom))) {
            canvas.line(&[(right + 4, *end), (right + 22, place)], line.colour, 1)?;
            let size = if line.width > 2 { 17 } else { 14 };
            canvas.text(&line.title, (right + 27, place), size, line.colour, HPos::Left)?;
        }
        Ok(())
    }
}

/// Places at least `gap` apart, as near to where they should be as a pass down and a pass up make them.
fn spread(wanted: &[i32], gap: i32, (top, bottom): (i32, i32)) -> Vec<i32> {
    let mut places = wanted.to_vec();
    for _ in 0..200 {
        for index in 1..places.len() {
            let overlap = gap - (places[index] - places[index - 1]);
            if overlap > 0 {
                places[index - 1] -= overlap / 2;
                places[index] += overlap - overlap / 2;
            }
        }
        if let Some(last) = places.last_mut() {
            *last = (*last).min(bottom);
        }
        if let Some(first) = places.first_mut() {
            *first = (*first).max(top);
        }
    }
    places
}

/// What the axis counts in: 1, 2 or 5 times a power of ten, five to ten of them.
fn step(most: f64) -> f64 {
    let power = 10_f64.powf((most / 5.0).log10().floor());
    [5.0, 2.0, 1.0].map(|times| times * power).into_iter().find(|step| most / step >= 5.0).unwrap_or(power)
}

/// Lengths in points of the SVG; a PNG has twice as many.
struct Canvas<'a, B: DrawingBackend> {
    area: &'a DrawingArea<B, Shift>,
    scale: i32,
}

impl<B: DrawingBackend> Canvas<'_, B>
where
    B::ErrorType: 'static,
{
    fn text(&self, text: &str, at: (i32, i32), size: i32, colour: RGBColor, side: HPos) -> Result<()> {
        let style = TextStyle::from(("sans-serif", size * self.scale).into_font())
            .color(&colour)
            .pos(Pos::new(side, VPos::Center));
        Ok(self.area.draw(&Text::new(text, self.at(at), style))?)
    }

    fn line(&self, points: &[(i32, i32)], colour: RGBColor, width: u32) -> Result<()> {
        let points: Vec<_> = points.iter().map(|point| self.at(*point)).collect();
        Ok(self.area.draw(&PathElement::new(points, colour.stroke_width(width * self.scale.unsigned_abs())))?)
    }

    fn dashes(&self, points: &[(i32, i32)], colour: RGBColor, width: u32) -> Result<()> {
        for pair in points.windows(2) {
            let ((x, y), (dx, dy)) = (pair[0], (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1));
            let length = f64::from(dx).hypot(f64::from(dy));
            let at = |along: f64| {
                let share = (along / length).min(1.0);
                (x + (f64::from(dx) * share) as i32, y + (f64::from(dy) * share) as i32)
            };
            let mut along = 0.0;
            while along < length {
                self.line(&[at(along), at(along + 5.0)], colour, width)?;
                along += 9.0;
            }
        }
        Ok(())
    }

    fn dot(&self, at: (i32, i32), colour: RGBColor, radius: i32) -> Result<()> {
        Ok(self.area.draw(&Circle::new(self.at(at), radius * self.scale, colour.filled()))?)
    }

    fn at(&self, (x, y): (i32, i32)) -> (i32, i32) {
        (x * self.scale, y * self.scale)
    }
}

const SIZE: (u32, u32) = (960, 560);
/// The first sizes, up to 1 KiB.
const SMALL_SIZES: usize = 4;
const GREY: RGBColor = RGBColor(110, 110, 110);
/// Without the black, which is ours, and with the yellow darker: it has to be read on white.
const COLOURS: [RGBColor; 7] = [
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(60, 155, 215),
    RGBColor(230, 159, 0),
    RGBColor(150, 130, 0),
];
