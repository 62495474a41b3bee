//! Decides which worker sends which part. Pure.

use super::run_log::Hello;

/// Gives each worker a part. A worker gets the part that it wants. If two want the same part, the last one gets it,
/// because it may have replaced the first one. The error is the number of parts that have a worker.
pub(super) fn seated(free: &[&Hello], wanted: usize) -> Result<Vec<String>, usize> {
    let mut order: Vec<Option<&str>> = vec![None; wanted];
    for own in free {
        let place = own.index.and_then(|index| order.get_mut(index as usize));
        if let Some(place) = place {
            *place = Some(&own.worker);
        }
    }
    let mut others = free.iter().filter(|own| own.index.is_none());
    for place in order.iter_mut().filter(|place| place.is_none()) {
        *place = others.next().map(|own| own.worker.as_str());
    }
    let seated: Vec<String> = order.into_iter().flatten().map(str::to_owned).collect();
    match seated.len() == wanted {
        true => Ok(seated),
        false => Err(seated.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(worker: &str, index: Option<u32>) -> Hello {
        Hello {
            worker: worker.to_owned(),
            name: worker.to_owned(),
            cores: 1,
            index,
        }
    }

    #[test]
    fn parts_go_to_those_who_want_them_and_the_others_fill_up() {
        let all = [
            hello("a", None),
            hello("b", Some(0)),
            hello("c", Some(7)),
            hello("d", Some(0)),
        ];
        let free: Vec<&Hello> = all.iter().collect();
        assert_eq!(seated(&free, 2), Ok(vec!["d".to_owned(), "a".to_owned()]));
        // Two workers want one part, and one wants a part that does not exist.
        assert_eq!(seated(&free, 3), Err(2));
    }
}
