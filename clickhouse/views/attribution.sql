-- name: attribution
-- Which channels, sources or campaigns led to conversions, by eleven models side by side.
-- parameters: conversion String = , to_stage String = purchase, by String = channel, direct Array(String) = , lookback_s UInt32 = 2592000, half_life_s UInt32 = 604800, top UInt8 = 40, since String = 1970-01-01, until String = 2100-01-01, stitched UInt8 = 1
-- returns: touch String, paths UInt64, participation UInt64, first Float64, last Float64, last_non_direct Float64, linear Float64, u_shaped Float64, j_shaped Float64, inverse_j Float64, time_decay Float64, markov Float64, shapley Float64
-- reads: attribution_paths
--
-- Paths are those of attribution_paths. `paths` and `participation`: on how many paths a touch was, and on how many that converted; every
-- other model shares out the conversions, each once. A path of one touch gives all to it, of two 50 : 50 (u_shaped), 25 : 75 (j_shaped)
-- or 75 : 25 (inverse_j), of more 40 : 20 : 40, 20 : 20 : 60 or 60 : 20 : 20, what is between in equal parts. last_non_direct: the last touch that
-- is not in `direct` (empty: web, mobile_web, app and direct), or else the last. shapley: the value of a touch in the game where a
-- set of them is worth the conversions of the paths that need no other; it is exactly an equal part for each different touch of a path.
-- markov: the share of conversions that a walk with the observed steps would lose without the touch, scaled to all. With N the inverse of
-- I - Q, that is visits * chance to convert from there / N[i][i]; a repeat in a row would not change it. The `top` most visited are told
-- apart, the rest is '(others)', one state of the walk, and its paths add up. An empty touch: conversions without any.
WITH
    (n, place, first_part, last_part) -> multiIf(
        n = 1, 1, n = 2, if(place = 1, first_part, last_part) / (first_part + last_part),
        place = 1, first_part, place = n, last_part, (1 - first_part - last_part) / (n - 2)) AS shaped,
    -- From touch to touch and to the end (`ends` 1: a conversion, 2: none), with what each touch is given.
    steps AS
    (
        SELECT step.1 AS came_from, step.2 AS went_to, step.3 AS ends, sum(paths) AS times, sumForEach(step.4) AS given
        FROM
        (
            SELECT
                path, converted, paths, time_decay,
                length(path) AS n,
                arrayLastIndex(one -> NOT has(if(empty({direct:Array(String)}), ['web', 'mobile_web', 'app', 'direct'], {direct:Array(String)}), one), path) AS indirect,
                if(indirect = 0, n, indirect) AS not_direct,
                length(arrayDistinct(path)) AS different,
                arrayPushBack(
                    arrayMap(
                        (touch, before, decayed, place, again) -> (before, touch, 0, arrayConcat(
                            arrayMap(share -> toFloat64(paths * share), [1, again = 1, converted * (again = 1)]),
                            arrayMap(share -> toFloat64(converted * paths * share), [
                                place = 1, place = n, place = not_direct, 1 / n,
                                shaped(n, place, 0.4, 0.4), shaped(n, place, 0.2, 0.6), shaped(n, place, 0.6, 0.2),
                                (again = 1) / different]),
                            [decayed])),
                        path, arraySlice(arrayPushFront(path, ''), 1, n), time_decay, arrayEnumerate(path), arrayEnumerateUniq(path)),
                    (if(n = 0, '', path[-1]), '', if(converted, 1, 2), emptyArrayFloat64())) AS walk
            FROM attribution_paths(conversion = {conversion:String}, to_stage = {to_stage:String}, by = {by:String},
                lookback_s = {lookback_s:UInt32}, half_life_s = {half_life_s:UInt32}, top = 4294967295,
                since = {since:String}, until = {until:String}, stitched = {stitched:UInt8})
        )
        ARRAY JOIN walk AS step
        GROUP BY came_from, went_to, ends
    ),
    -- One row with all of it, the touches as numbers from 1, the most visited first.
    numbered AS
    (
        SELECT
            sumMapIf([went_to], [times], ends = 0) AS visited,
            arraySlice(arraySort((name, number) -> (-toInt64(number), name), visited.1, visited.2), 1, {top:UInt8}) AS told,
            if(length(visited.1) > length(told), arrayPushBack(told, '(others)'), told) AS names,
            length(names) AS n,
            groupArray((came_from, went_to, ends, toFloat64(times), given)) AS named,
            arrayMap(one -> (
                if(one.1 = '', 0, if(has(told, one.1), indexOf(told, one.1), n)),
                if(one.2 = '', 0, if(has(told, one.2), indexOf(told, one.2), n)), one.3, one.4, one.5), named) AS edges,
            arrayMap(state -> arrayReduce('sumForEach', arrayMap(one -> one.5, arrayFilter(one -> one.2 = state, edges))), range(1, n + 1)) AS sums,
            arrayMap(given -> given[1], sums) AS visits,
            arrayMap(state -> arraySum(one -> one.4 * (one.1 = state AND one.3 = 1), edges), range(1, n + 1)) AS conversions,
            toFloat64(arraySum(one -> one.4 * (one.1 = 0 AND one.3 = 1), edges)) AS untouched
        FROM steps
    ),
    walked AS
    (
        SELECT
            names, n, sums, visits, conversions, untouched,
            -- How often the walk went from each to each: 1 for every pair, so that none is missing, and taken off again.
            arrayFilter(one -> one.1 > 0 AND one.3 = 0, edges) AS between,
            arrayMap(one -> one - 1, arrayReduce('sumMap',
                [arrayConcat(range(n * n), arrayMap(one -> toUInt64((one.1 - 1) * n + one.2 - 1), between))],
                [arrayConcat(arrayMap(one -> 1.0, range(n * n)), arrayMap(one -> one.4, between))]).2) AS pairs,
            -- I - Q, inverted by Gauss and Jordan; its pivots are never 0, because from everywhere the walk comes to an end.
            arrayFold(
                (matrix, k) -> arrayMap(
                    (line, i) -> arrayMap(
                        (cell, above, pivot, lead, j) -> multiIf(
                            i = k AND j = k, 1 / pivot, i = k, above / pivot, j = k, -lead / pivot, cell - lead * above / pivot),
                        line, matrix[k], arrayWithConstant(n, matrix[k][k]), arrayWithConstant(n, line[k]), arrayEnumerate(line)),
                    matrix, arrayEnumerate(matrix)),
                range(1, n + 1),
                arrayMap(i -> arrayMap((number, j) -> (i = j) - number / visits[i], arraySlice(pairs, (i - 1) * n + 1, n), range(1, n + 1)),
                    range(1, n + 1))) AS inverse,
            arrayMap(
                (line, visit, i) -> visit * arraySum((chance, number, each) -> chance * number / each, line, conversions, visits) / line[i],
                inverse, visits, arrayEnumerate(visits)) AS lost
        FROM numbered
    )
SELECT
    one.1 AS touch,
    toUInt64(one.2[2]) AS paths,
    toUInt64(one.2[3]) AS participation,
    one.2[4] AS first,
    one.2[5] AS last,
    one.2[6] AS last_non_direct,
    one.2[7] AS linear,
    one.2[8] AS u_shaped,
    one.2[9] AS j_shaped,
    one.2[10] AS inverse_j,
    one.2[12] AS time_decay,
    one.3 AS markov,
    one.2[11] AS shapley
FROM walked
ARRAY JOIN arrayConcat(
    arrayMap((name, given, share) -> (name, given, if(arraySum(lost) > 0, arraySum(conversions) * share / arraySum(lost), 0)), names, sums, lost),
    if(untouched > 0, [('', arrayWithConstant(12, untouched), untouched)], [])) AS one
ORDER BY participation DESC, paths DESC, touch
