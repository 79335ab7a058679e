//! Series as columns of block characters.

/// From nothing to full, by eighths.
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Steps of one character's height.
const STEPS: f64 = 8.0;

/// Values in so many columns at the most: where there are more, several share one, which shows the largest of them.
pub fn columns(values: &[f64], width: usize) -> Vec<f64> {
    let share = values.len().div_ceil(width.max(1)).max(1);
    let largest = |some: &[f64]| some.iter().copied().fold(0.0, f64::max);
    values.chunks(share).map(largest).collect()
}

/// The largest of some values.
pub fn top(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

/// Lines of a chart of so many lines, the highest first. What is not nothing is seen.
pub fn lines(columns: &[f64], height: u32) -> Vec<String> {
    let top = top(columns);
    let of_line = |line: u32| {
        let below = f64::from(height - 1 - line) * STEPS;
        let blocks = columns.iter().map(|value| {
            let eighths = match top > 0.0 {
                true => (value / top * f64::from(height) * STEPS).ceil(),
                false => 0.0,
            };
            block(eighths - below)
        });
        blocks.collect()
    };
    (0..height).map(of_line).collect()
}

fn block(eighths: f64) -> char {
    let mut full = BLOCKS[0];
    for (step, block) in (0_u32..).zip(BLOCKS) {
        if f64::from(step) <= eighths {
            full = block;
        }
    }
    full
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_value_fills_the_chart_and_the_smallest_is_seen() {
        assert_eq!(lines(&[0.0, 0.001, 4.0, 8.0], 1), [" ▁▄█"]);
        assert_eq!(lines(&[0.0, 0.001, 4.0, 5.0, 8.0], 2), ["   ▂█", " ▁███"]);
        assert_eq!(lines(&[0.0, 0.0], 1), ["  "]);
        assert_eq!(lines(&[], 2), ["", ""]);
    }

    #[test]
    fn where_columns_are_short_the_largest_of_those_that_share_one_is_shown() {
        let values: Vec<f64> = (0..10_u32).map(f64::from).collect();
        assert_eq!(columns(&values, 10), values);
        assert_eq!(columns(&values, 99), values);
        assert_eq!(columns(&values, 4), [2.0, 5.0, 8.0, 9.0]);
        assert_eq!(columns(&values, 0), [9.0]);
    }
}
