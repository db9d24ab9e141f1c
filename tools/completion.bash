# bash completion for microtome
_microtome() {
  local word=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]} options= precisions='fp32 bf16 int8'
  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W 'run plan status verify report prune info tissue convert deidentify tile heatmap export aggregate train evaluate calibrate compare search serve review user send worklist model bench doctor --help --version' -- "$word")
    return
  fi
  case $verb in
  run)
    precisions='auto fp32 bf16 int8'
    options='--recipe --encoder --head --task --explain --combine --out --mpp --slide-mpp --tile --overlap --mask --exclude --min-share --stain --compat --patch-level --approximate --off-contract --precision --threads --workers --memory --patients --language --copy-to --watch --settle --shard --until --lease --stall-limit --identifiers --identifiers-key --metrics --on --on-fail --on-finish --force --backend --json --help'
    ;;
  plan) options='--recipe --encoder --head --out --hours --mpp --slide-mpp --tile --overlap --mask --min-share --off-contract --precision --threads --workers --cases --json --help' ;;
  report) options='--out --findings --language --pictures --case --like --past --json --help' ;;
  prune) options='--features --help' ;;
  verify) options='--json --help' ;;
  status) options='--json --watch --brief --help' ;;
  info) options='--json --recipe --slide-mpp --help' ;;
  tissue) options='--out --mask --exclude --slide-mpp --json --help' ;;
  convert) options='--out --to --series --order --plane --slice --window --bits --offset --square --keep-name --force --help' ;;
  deidentify) options='--out --profile --key --links --shift-dates --keep-descriptions --keep-characteristics --allow-burned-in --json --help' ;;
  tile) options='--out --mpp --slide-mpp --tile --overlap --mask --exclude --stain --min-share --compat --patch-level --off-contract --format --quality --shards --shard-size --threads --json --help' ;;
  heatmap) options='--out --to --open --um-per-px --top --bottom --slides --colormap --class --source --scale --reference --range --smooth --plane --alpha --threshold --regions-only --map-only --quality --threads --force --help' ;;
  export) options='--layout --to --out --sources --manifest --language --slide-ext --encoder-name --force --help' ;;
  bench)
    if [ "$COMP_CWORD" -eq 2 ]; then
      mapfile -t COMPREPLY < <(compgen -W 'tiles pipeline bag' -- "$word")
      return
    fi
    case ${COMP_WORDS[2]} in
    tiles) options='--tile --threads --backend --mask --tiles --rounds --json --help' ;;
    bag) options='--head --tiles --dim --threads --memory --json --help' ;;
    pipeline) options='--encoder --mpp --tile --mask --precision --threads --backend --seconds --json --help' ;;
    esac
    ;;
  train) options='--labels --model --head --task --column --label-names --positive --uncertain --time --event --intervals --folds --fold --splits --leave-out --split-column --json --epochs --lr --weight-decay --dropout --hidden --attention --neighbours --class-weights --instance-weight --init --patience --watch --val-share --seed --threads --memory --log-steps --keep-folds --allow-missing --force --help' ;;
  aggregate) options='--head --out --coords --labels --patients --language --threads --memory --help' ;;
  calibrate) options='--labels --head --out --method --positive --sensitivity --specificity --npv --ppv --prevalence --conformal --by-class --reference --stack --exact --force --json --help' ;;
  evaluate) options='--labels --out --json --level --task --column --positive --time --event --uncertain --split --threshold --allow-missing --bootstrap --seed --by --goal --goals --compare --internal --internal-labels --readers --train-labels --splits --fold --head --allow-trained --prevalence --gallery --masks --lesions --predicted --classes --mask-mpp --no-distance --iou --lesion-scale --join-um --ignore-um --help' ;;
  compare) options='--out --max-distance --same-frame --transform --measures-only --days --language --json --help' ;;
  search) options='--case --from --tile --nearest --other-cases --out --slides --json --help' ;;
  serve) options='--slides --bind --port --users --certificate --key --trusted-proxy --host --read-first --diagnoses --readers --routes --help' ;;
  review) options='--export --check --force --help' ;;
  user) options='add remove list --role --password-file --help' ;;
  send) options='--stow --store --user --password-file --ca --ledger --retries --pause --timeout --json --help' ;;
  worklist) options='--out --date --modality --archived --timeout --help' ;;
  doctor) options='--help' ;;
  model)
    if [ "$COMP_CWORD" -eq 2 ]; then
      mapfile -t COMPREPLY < <(compgen -W 'info run bench verify quantize' -- "$word")
      return
    fi
    case ${COMP_WORDS[2]} in
    info) options='--json --check --help' ;;
    run) options='--input --out --precision --reference --threads --verbose --help' ;;
    bench) options='--batch --size --threads --precision --seconds --profile --verbose --json --help' ;;
    verify)
      precisions='bf16 int8 bf16,int8'
      options='--precision --against --tiles --input --overlap --mask --mpp --slide-mpp --threads --json --help'
      ;;
    quantize) options='--out --input --calibrate --tiles --mpp --slide-mpp --method --percentile --balance --keep --cosine --threads --force --help' ;;
    esac
    ;;
  esac
  if [ "${COMP_WORDS[COMP_CWORD-1]}" = --precision ]; then
    mapfile -t COMPREPLY < <(compgen -W "$precisions" -- "$word")
    return
  fi
  case $word in
  -*) mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word") ;;
  *) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
  esac
}
complete -F _microtome -o filenames microtome
