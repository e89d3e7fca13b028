import type { Shell } from "./completion-shells.ts";

/** What a shell loads to complete `hsmadm`. The knowledge is in `hsmadm __complete`, so a script never grows old. */
export const completionScripts: Readonly<Record<Shell, string>> = {
  bash: `# Completion of hsmadm for bash. In ~/.bashrc:  eval "$(hsmadm completion bash)"
_hsmadm() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      ':open') compopt -o nospace 2>/dev/null ;;
      ':command '*) _hsmadm_command; return ;;
      *) COMPREPLY+=("$line") ;;
    esac
  done < <(command hsmadm __complete bash "$COMP_WORDBREAKS" "\${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
}
# Behind -- another command is completed as if it stood alone.
_hsmadm_command() {
  local from=1
  while [ "$from" -lt "$COMP_CWORD" ] && [ "\${COMP_WORDS[from]}" != -- ]; do from=$((from + 1)); done
  from=$((from + 1))
  if declare -F _command_offset >/dev/null; then
    _command_offset "$from"
  elif [ "$from" -eq "$COMP_CWORD" ]; then
    mapfile -t COMPREPLY < <(compgen -c -- "\${COMP_WORDS[COMP_CWORD]}")
  else
    compopt -o default 2>/dev/null
  fi
}
complete -F _hsmadm hsmadm
`,
  zsh: `#compdef hsmadm
# Completion of hsmadm for zsh. In ~/.zshrc, after compinit:  eval "$(hsmadm completion zsh)"
# or once:  hsmadm completion zsh > /a/folder/of/your/fpath/_hsmadm
_hsmadm() {
  local line value told
  local -a asked fields ends end_texts open open_texts
  asked=()
  (( CURRENT > 2 )) && asked=("\${(@Q)words[2,CURRENT-1]}")
  asked+=("\${(Q)PREFIX}")
  for line in "\${(@f)$(command hsmadm __complete zsh "\${(@)asked}" 2>/dev/null)}"; do
    if [[ $line == ':command '* ]]; then
      shift "\${line#:command }" words
      (( CURRENT -= \${line#:command } ))
      shift words
      (( CURRENT -= 1 ))
      _normal
      return
    fi
    fields=("\${(@ps:\\t:)line}")
    value=$fields[2]
    [[ -n $value ]] || continue
    told=$value
    [[ -n $fields[3] ]] && told="$value  -- $fields[3]"
    if [[ $fields[1] == o ]]; then open+=("$value"); open_texts+=("$told")
    else ends+=("$value"); end_texts+=("$told"); fi
  done
  local -i found=1
  (( $#ends )) && compadd -l -d end_texts -a ends && found=0
  (( $#open )) && compadd -S '' -l -d open_texts -a open && found=0
  return found
}
if [[ $funcstack[1] == _hsmadm ]]; then _hsmadm "$@"; else compdef _hsmadm hsmadm; fi
`,
  fish: `# Completion of hsmadm for fish:  hsmadm completion fish > ~/.config/fish/completions/hsmadm.fish
function __hsmadm_complete
    set -l words (commandline -opc)
    set -e words[1]
    set -l current (commandline -ct)
    set -l plain (string unescape -- $current 2>/dev/null)
    or set plain (string trim --left --chars '"\\'' -- $current)
    set -l lines (command hsmadm __complete fish $words "$plain" 2>/dev/null)
    if string match -q ':command *' -- "$lines[1]"
        set -l from (math (string replace ':command ' '' -- $lines[1]) + 1)
        complete -C (string join ' ' -- (string escape -- $words[$from..-1]) "$current")
        return
    end
    test (count $lines) -gt 0
    and printf '%s\\n' $lines
end
complete -c hsmadm -e
complete -c hsmadm -f -a '(__hsmadm_complete)'
`,
};
