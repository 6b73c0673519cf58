# Texts of the pages of usage, metrics, alerts and logs.

alert-above = { $metric } が { $limit } を超える({ $duration })
alert-actions = 操作
alert-at-once = 直ちに
alert-below = { $metric } が { $limit } を下回る({ $duration })
alert-condition = 条件
alert-for-fifteen-minutes = 15 分間
alert-for-five-minutes = 5 分間
alert-for-hint = 長くすると短いピークは無視されます。条件を満たさなくなるとすぐに解消します。
alert-for-hour = 1 時間
alert-for-minute = 1 分間
alert-metric-hint = クォータのあるメトリクス(CPU、メモリ、ストレージ、Pod)は、その割合と比較できます。
alert-name-hint = 英小文字、数字、ハイフン。ワークスペース内で一意にしてください。
alert-notify-hint = メンバーのメールアドレス(10 件まで)を空白または改行で区切ってください。アラートの開始時と終了時に 1 通ずつ届きます。
alert-notify-none = 通知先はありません。
alert-of-quota = クォータの { $percent }%
alert-percent-hint = 1~100。プロジェクトのクォータ、なければプランのクォータに対する割合です。値と割合のどちらか一方を入力してください。
alert-project-hint = ルールはプロジェクトとともに削除されます。
alert-recipients = 通知先の数
alert-rule = ルール
alert-rule-change = ルールの変更
alert-rule-changed = アラートルール { $name } を変更しました。
alert-rule-create = アラートルールを作成
alert-rule-create-in = アラートルールを作成するプロジェクト:
alert-rule-created = アラートルール { $name } を作成しました。
alert-rule-delete = アラートルールを削除
alert-rule-delete-notify = 通知先 { $count } 件に通知されなくなります
alert-rule-delete-resolves = このルールの発生中のアラートは解消します
alert-rule-delete-title = アラートルール { $name } を削除
alert-rule-deleted = アラートルール { $name } を削除しました。
alert-rule-save = ルールを保存
alert-rules-none = アラートルールはありません
alert-rules-purpose = ルールはメトリクスを上限や下限と比較し、条件を満たす間メンバーに知らせます。
alert-rules-title = アラートルール
alert-silence = アラートをミュート
alert-silenced = ミュート中
alert-since = 開始
alert-state = 状態
alert-state-firing = 発生中
alert-state-quiet = 正常
alert-state-unknown = 不明
alert-threshold-hint = メトリクスの単位での値。例: 1.5、512Mi、250m
alert-workspace = ワークスペース全体

alerts-about = ルールは 30 秒ごとに評価されます。
alerts-firing = 発生中のアラート
alerts-none = 発生中のアラートはありません。

comparison-above = 上限を超えたとき
comparison-below = 下限を下回ったとき

field-comparison = 発生条件
field-for = 継続時間
field-group-by = 集計単位
field-metric = メトリクス
field-notify = 通知先
field-percent = クォータに対する割合
field-project = プロジェクト
field-severity = 重大度
field-threshold = 値

group-by-container = コンテナー
group-by-none = 合計
group-by-pod = Pod
group-by-project = プロジェクト

health-api-server-responsive = API サーバーの応答
health-api-server-succeeds = API リクエストの成功
health-bad = 要対応
health-condition = 項目
health-containers-running = コンテナーの稼働
health-control-plane-ready = コントロールプレーンの稼働
health-control-plane-stable = コントロールプレーンの安定性
health-control-plane-volume = コントロールプレーンのボリューム空き容量
health-dns-ready = DNS の稼働
health-explanation = 説明
health-good = 正常
health-pods-scheduled = Pod のスケジュール
health-quota-available = クォータの余裕
health-remedy = 対処:
health-since = 発生
health-status = 状態
health-title = 健全性
health-unknown = 不明

metric-api-requests = API リクエスト
metric-api-requests-about = ワークスペースの API サーバーへの 1 秒あたりのリクエスト数です。ワークスペース全体で測定されます。
metric-cpu = CPU
metric-cpu-about = 全コンテナーのプロセッサー時間(コア)です。
metric-csv = CSV をダウンロード
metric-details = { $metric } をプロジェクト、Pod、コンテナー別に表示
metric-largest = { $count } 件の系列が見つかりました。グラフは大きい順に 6 件、CSV はすべてを含みます。
metric-memory = メモリ
metric-memory-about = 全コンテナーのワーキングセットです。退避の判断に使われます。
metric-network-receive = ネットワーク受信
metric-network-receive-about = Pod が 1 秒あたりに受信するバイト数です。
metric-network-transmit = ネットワーク送信
metric-network-transmit-about = Pod が 1 秒あたりに送信するバイト数です。
metric-nothing = この期間には何も測定されていません。
metric-over-time = 値の推移
metric-pods = 実行中の Pod
metric-pods-about = 実行中の Pod の数です。
metric-quota = クォータ
metric-restarts = 再起動
metric-restarts-about = 各間隔でのコンテナーの再起動回数です。
metric-storage = 要求ストレージ
metric-storage-about = PersistentVolumeClaim が要求するストレージです。
metric-storage-used = 使用ストレージ
metric-storage-used-about = ドライバーが報告する永続ボリュームの使用量です。
metric-throttling = スロットリング
metric-throttling-about = CPU の上限によりコンテナーが待たされたスケジューリング期間の割合です。
metric-total = 合計

metrics-label = メトリクス

nav-alerts = アラート
nav-usage = 使用状況

preview-button = プレビュー
preview-count = アラートは { $count } 回発生していました。
preview-from = 開始
preview-last = 表には最後の { $count } 回を表示しています。
preview-limit = 過去 24 時間を基準値 { $limit } で評価しました。何も保存されていません。
preview-never = アラートは発生していませんでした。
preview-periods = 過去 24 時間の発生
preview-range = 値は { $lowest } から { $highest } の間でした。
preview-still = 継続中
preview-to = 終了
preview-unmeasured = 過去 24 時間には何も測定されていません。
preview-values = 値

range-day = 1 日
range-hour = 1 時間
range-kept = メトリクスの保存期間は { $count } 日です。
range-label = 期間
range-month = 30 日
range-six-hours = 6 時間
range-week = 7 日

remedy-crash-loop = kubectl logs --previous でコンテナーのログを確認してください
remedy-dns-not-ready = 名前空間 kube-system の Deployment coredns のイベントとログを確認してください
remedy-filling = イベント、Secret、ConfigMap など不要なオブジェクトを削除し、運用者により大きいボリュームを依頼してください
remedy-no-dns = 名前空間 kube-system の Deployment coredns を復元してください
remedy-no-replica = 数分お待ちください。続く場合はワークスペースのタスクを確認し、運用者に連絡してください
remedy-not-measured = 不明のままの場合は、運用者に監視の確認を依頼してください
remedy-out-of-memory = コンテナーのメモリ上限を上げるか、メモリの使用量を減らしてください
remedy-pending = イメージの取得とボリュームの接続をお待ちください。続く場合は Pod のイベントを確認してください
remedy-quota = 不要なものを削除するか、より大きいプランを選択してください。100% に達すると新しい Pod は拒否されます
remedy-replicas-missing = 対処は不要です。続く場合は運用者に連絡してください
remedy-requests-fail = クラスターのアドミッション Webhook と API サービスを確認してください。多くの場合これが原因です
remedy-restarted = オブジェクトと watch の数を減らすか、コントロールプレーンの大きいプランを選択してください。続く場合は運用者に連絡してください
remedy-slow = 大きな一覧取得と watch の数を減らすか、コントロールプレーンの大きいプランを選択してください
remedy-suspended = ワークスペースを再開してください
remedy-unschedulable = Pod のリソース要求を減らすか、一致するノードのない nodeSelector やアフィニティを外してください

select-all-projects = すべてのプロジェクト

severity-critical = 重大
severity-critical-about = 直ちに対応が必要です。
severity-info = 情報
severity-info-about = 参考情報です。対応は不要です。
severity-warning = 警告
severity-warning-about = 早めの対応が必要です。

shell-alerts = 発生中のアラートを一覧表示
shell-health = 健全性を取得
shell-metric = メトリクスを取得
shell-rule = アラートルールを取得
shell-rule-preview = アラートルールをプレビュー(dry_run を外すと作成)
shell-rules = アラートルールを一覧表示
shell-silences = ミュートを一覧表示

silence-about = ミュートが終わるまで、アラート { $name } は一覧に表示されますが通知されません。
silence-author = 設定者
silence-created = アラート { $name } を { $end } までミュートしました。
silence-duration = 期間
silence-duration-hint = ミュートは自動的に終了します。
silence-end = ミュートを終了
silence-ended = ミュートを終了しました。
silence-four-hours = 4 時間
silence-half-hour = 30 分
silence-reason = 理由
silence-reason-hint = 200 文字以内。他のメンバーにも表示されます。
silence-until = 終了

silences-title = ミュート

source-alerts = アラートの取得元
source-busy = 同時リクエストが多すぎます
source-invalid = 選択内容が正しくありません
source-logs = ログストア
source-metrics = メトリクスの取得元
source-no-alerts = アラートルールは評価されていません
source-no-alerts-about = ルールは作成できますが、運用者が Alertmanager を接続するまで通知されません。
source-no-logs = ログは収集されていません
source-no-logs-about = この環境の運用者がログストアを接続していません。
source-no-metrics = メトリクスは収集されていません
source-no-metrics-about = この環境の運用者がメトリクスの取得元を接続していません。
source-sandbox = これはサンドボックスです。値は架空のものです。

unit-bytes = バイト
unit-bytes-per-second = バイト/秒
unit-cores = コア
unit-count = 個数
unit-ratio = 0~1 の割合
unit-requests-per-second = 毎秒

usage-about = クラスターの健全性と、プランまたはプロジェクトのクォータに対する使用状況です。
