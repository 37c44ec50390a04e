# Makes a replay of spin (-t -p -g) readable: one line for each step, with the process, the line of the
# model it came from, and only those variables that the step has changed.
function flush_step(    name, changed) {
    if (step == "") return
    changed = ""
    for (n = 1; n <= count; n++) {
        name = order[n]
        if (value[name] != before[name]) changed = changed " " name "=" value[name]
        before[name] = value[name]
    }
    print who ":" changed
    step = ""
}
match($0, /^ *[0-9]+:[ \t]+proc /) {
    split($0, word, /[ \t]+/)
    number = $1
    if (number != step) {
        flush_step()
        step = number
        place = $0
        sub(/^.*\.pml:/, "", place); sub(/ .*/, "", place)
        who = sprintf("%5s %-18s line %-4s", number, "process " $3 " " substr($4, 2), place)
        sub(/:[0-9]+\)/, "", who)
    }
    next
}
/^[ \t]+[a-zA-Z_]+(\[[0-9]+\])? = / {
    if (!($1 in value)) { order[++count] = $1; before[$1] = "0" }
    value[$1] = $3
    next
}
/assert/ { flush_step(); print }
END { flush_step() }
