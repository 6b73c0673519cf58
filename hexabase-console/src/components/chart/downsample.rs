//! Fewer points with the same shape.

/// Point of a series, in the units of its axes.
pub(super) type Point = (f64, f64);

/// Chooses at most `count` points with the largest-triangle-three-buckets algorithm (Steinarsson, "Downsampling Time
/// Series for Visual Representation", 2013): the first, the last, and from each bucket in between the point that forms
/// the largest triangle with the chosen one before and the mean of the bucket after. Peaks stay visible.
pub(super) fn downsampled(points: &[Point], count: usize) -> Vec<Point> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    if points.len() <= count {
        return points.to_vec();
    }
    if count < 3 {
        return [*first, *last].into_iter().take(count).collect();
    }
    let inner = &points[1..points.len() - 1];
    let buckets = count - 2;
    let bucket = |index: usize| &inner[index * inner.len() / buckets..(index + 1) * inner.len() / buckets];
    let mut chosen = vec![*first];
    let mut previous = *first;
    for index in 0..buckets {
        let next = if index + 1 < buckets { mean(bucket(index + 1)) } else { *last };
        let area = |point: &Point| {
            ((previous.0 - next.0) * (point.1 - previous.1) - (previous.0 - point.0) * (next.1 - previous.1))
                .abs()
        };
        let largest = bucket(index).iter().max_by(|left, right| area(left).total_cmp(&area(right)));
        if let Some(point) = largest {
            chosen.push(*point);
            previous = *point;
        }
    }
    chosen.push(*last);
    chosen
}

#[expect(clippy::cast_precision_loss, reason = "a bucket has far fewer points than 2^52")]
fn mean(points: &[Point]) -> Point {
    let count = points.len().max(1) as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
    (x / count, y / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat_with_peak(length: u32, peak: u32) -> Vec<Point> {
        (0..length).map(|x| (f64::from(x), if x == peak { 9.0 } else { 1.0 })).collect()
    }

    #[test]
    fn few_points_stay_as_they_are() {
        let points = flat_with_peak(300, 7);
        assert_eq!(downsampled(&points, 300), points);
        assert!(downsampled(&[], 300).is_empty());
    }

    #[test]
    fn peaks_first_and_last_points_stay() {
        let points = flat_with_peak(10_000, 4_321);
        let fewer = downsampled(&points, 300);
        assert_eq!(fewer.len(), 300);
        assert_eq!((fewer[0], fewer[299]), (points[0], points[9_999]));
        assert!(fewer.contains(&(4_321.0, 9.0)));
        assert!(fewer.is_sorted_by(|left, right| left.0 < right.0));
    }

    #[test]
    fn tiny_counts_are_respected() {
        let points = flat_with_peak(10, 5);
        for count in 0..5 {
            assert_eq!(downsampled(&points, count).len(), count);
        }
    }
}
