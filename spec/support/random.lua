--- What random specs share: their seed, and how long they go on.
local M = {}

--- WEIR_SEED, else a fresh one; specs print it in their names.
M.seed = math.tointeger(tonumber(os.getenv("WEIR_SEED") or "")) or os.time()

-- Rounds that are made in any case, so that a short time still tests something.
local ROUNDS_MIN = 200

-- On a machine that is busy with other things it takes no longer than so many times the seconds.
local WALL_MAX = 3

--- Rounds 1, 2, … until `share` of WEIR_RANDOM_SECONDS (1 where it is unset) has been computed. The
--- random numbers begin anew with the seed.
---@param share number the shares of one spec file together are 1
function M.rounds(share)
  math.randomseed(M.seed)
  local seconds = (tonumber(os.getenv("WEIR_RANDOM_SECONDS") or "") or 1) * share
  local started, began, round = os.clock(), os.time(), 0
  return function()
    round = round + 1
    local is_over = os.clock() - started >= seconds or os.time() - began > WALL_MAX * seconds
    if round <= ROUNDS_MIN or not is_over then
      return round
    end
    return nil
  end
end

return M
