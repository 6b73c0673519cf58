//! What has to be done in one go, in Lua. A script sees one key, and nothing happens while it runs.

use ::redis::Script;

pub(super) struct Scripts {
    pub(super) compare_and_set: Script,
    pub(super) take: Script,
    pub(super) take_token: Script,
}

const COMPARE_AND_SET: &str = "
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1";

const TAKE: &str = "
local value = redis.call('GET', KEYS[1])
if value then redis.call('DEL', KEYS[1]) end
return value";

/// The generic cell rate algorithm: of a bucket it is enough to know when it will be full again. Times are
/// microseconds. Answers whether there was a token, how long until the bucket is full, and how long until the next
/// token if there was none.
const TAKE_TOKEN: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local step, period = tonumber(ARGV[1]), tonumber(ARGV[2])
local reset = math.max(tonumber(redis.call('GET', KEYS[1]) or 0) - now, 0)
local wanted = reset + step
if wanted > period then return {0, reset, wanted - period} end
redis.call('SET', KEYS[1], string.format('%.0f', now + wanted), 'PX', math.ceil(wanted / 1000))
return {1, wanted, 0}";

impl Default for Scripts {
    fn default() -> Self {
        Self {
            compare_and_set: Script::new(COMPARE_AND_SET),
            take: Script::new(TAKE),
            take_token: Script::new(TAKE_TOKEN),
        }
    }
}
