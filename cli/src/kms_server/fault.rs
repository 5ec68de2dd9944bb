//! What goes wrong on purpose, and with which requests.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use super::refusal;

/// Something that goes wrong with a request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Fault {
    /// Nothing does.
    #[default]
    None,
    /// It takes this long, and goes well.
    Delay(Duration),
    /// It waits until there is another plan, and then goes well.
    Hold,
    /// One of AWS's errors, by its name.
    Error(&'static str),
    /// An answer whose body is no JSON, with status 200.
    Garbage,
    /// Bytes that are no HTTP.
    Noise,
    /// It is done, and the connection closed without an answer.
    Lost,
    /// Nobody listens.
    Refuse,
    /// The request is read, and never answered.
    Silent,
}

/// A fault, and which requests it meets.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Plan {
    /// What goes wrong.
    pub fault: Fault,
    /// With requests for this operation only, such as `Decrypt`. ([`Fault::Refuse`] meets all.)
    pub operation: Option<String>,
    /// So many times, and then nothing goes wrong any more; none: until there is another plan.
    pub times: Option<u32>,
}

impl Plan {
    /// What goes wrong with the next request for this operation.
    pub(super) fn next(&mut self, operation: &str) -> Fault {
        if self.operation.as_deref().is_some_and(|only| only != operation) {
            return Fault::None;
        }
        match &mut self.times {
            Some(0) => return Fault::None,
            Some(times) => *times -= 1,
            None => {}
        }
        self.fault.clone()
    }
}

impl From<Fault> for Plan {
    fn from(fault: Fault) -> Self {
        Self { fault, operation: None, times: None }
    }
}

/// Words that say no fault. Names: `none`, `delay=5s`, `hold`, `error=NotFoundException`, `garbage`, `noise`, `lost`, `refuse`,
/// `silent`; short for errors: `throttle`, `internal`, `denied`, `disabled`. Then `operation=Decrypt` and `times=2`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnknownFault(String);

impl fmt::Display for UnknownFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no fault: say {WORDS}", self.0)
    }
}

impl core::error::Error for UnknownFault {}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let unknown = || UnknownFault(text.to_owned());
        Ok(match text.split_once('=').unwrap_or((text, "")) {
            ("none", "") => Self::None,
            ("hold", "") => Self::Hold,
            ("garbage", "") => Self::Garbage,
            ("noise", "") => Self::Noise,
            ("lost", "") => Self::Lost,
            ("refuse", "") => Self::Refuse,
            ("silent", "") => Self::Silent,
            ("throttle", "") => Self::Error("ThrottlingException"),
            ("internal", "") => Self::Error("KMSInternalException"),
            ("denied", "") => Self::Error("AccessDeniedException"),
            ("disabled", "") => Self::Error("DisabledException"),
            ("delay", time) => Self::Delay(humantime::parse_duration(time).map_err(|_| unknown())?),
            ("error", name) => Self::Error(refusal::known(name).ok_or_else(unknown)?),
            _ => return Err(unknown()),
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Delay(time) => write!(f, "delay={}", humantime::format_duration(*time).to_string().replace(' ', "")),
            Self::Error(name) => write!(f, "error={name}"),
            Self::Hold => f.write_str("hold"),
            Self::Garbage => f.write_str("garbage"),
            Self::Noise => f.write_str("noise"),
            Self::Lost => f.write_str("lost"),
            Self::Refuse => f.write_str("refuse"),
            Self::Silent => f.write_str("silent"),
        }
    }
}

impl FromStr for Plan {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let mut words = text.split_whitespace();
        let mut plan = Self::from(words.next().unwrap_or_default().parse::<Fault>()?);
        for word in words {
            match word.split_once('=') {
                Some(("operation", name)) => plan.operation = Some(name.to_owned()),
                Some(("times", times)) => plan.times = Some(times.parse().map_err(|_| UnknownFault(word.to_owned()))?),
                _ => return Err(UnknownFault(word.to_owned())),
            }
        }
        Ok(plan)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(f)?;
        self.operation.as_ref().map_or(Ok(()), |name| write!(f, " operation={name}"))?;
        self.times.map_or(Ok(()), |times| write!(f, " times={times}"))
    }
}

const WORDS: &str = "none, delay=5s, hold, throttle, internal, denied, disabled, error=NAME, garbage, noise, lost, refuse or silent; \
                     then operation=NAME and times=N if you want";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_read_as_it_is_written_and_others_are_refused() {
        for text in [
            "none",
            "delay=5s",
            "delay=1m30s operation=Decrypt",
            "error=ThrottlingException times=2",
            "garbage",
            "hold",
            "noise",
            "lost operation=CreateAlias times=1",
            "refuse",
            "silent",
        ] {
            assert_eq!(text.parse::<Plan>().unwrap().to_string(), text);
        }
        assert_eq!("throttle".parse::<Fault>().unwrap(), Fault::Error("ThrottlingException"));
        for text in
            ["", "nothing", "delay", "delay=x", "error=NoSuchException", "silent=1", "silent twice", "silent times=x"]
        {
            text.parse::<Plan>().unwrap_err();
        }
    }

    #[test]
    fn plan_meets_its_operation_and_as_often_as_it_says() {
        let mut plan: Plan = "throttle operation=Decrypt times=2".parse().unwrap();
        let met = ["Encrypt", "Decrypt", "Decrypt", "Decrypt"].map(|operation| plan.next(operation) != Fault::None);
        assert_eq!(met, [false, true, true, false]);
    }
}
