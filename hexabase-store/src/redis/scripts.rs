//! Lua scripts for operations that must be atomic. A script accesses one key, and no other command runs meanwhile.

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

/// Takes a token from a bucket by the generic cell rate algorithm: the state of a bucket is the time at which it will
/// be full again. Times are in microseconds. Returns whether there was a token, the time until the bucket is full,
/// and, if there was none, the time until the next token.
const TAKE_TOKEN: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local step, period = tonumber(ARGV[1]), tonumber(ARGV[2])
local reset = math.max(tonumber(redis.call('GET', KEYS[1]) or 0) - now, 0)
local new_reset = reset + step
if new_reset > period then return {0, reset, new_reset - period} end
redis.call('SET', KEYS[1], string.format('%.0f', now + new_reset), 'PX', math.ceil(new_reset / 1000))
return {1, new_reset, 0}";

impl Default for Scripts {
    fn default() -> Self {
        Self {
            compare_and_set: Script::new(COMPARE_AND_SET),
            take: Script::new(TAKE),
            take_token: Script::new(TAKE_TOKEN),
        }
    }
}
