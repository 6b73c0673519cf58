# Texts of the pages of usage, metrics, alerts and logs.

field-group-by = 集計単位
field-project = プロジェクト

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

nav-usage = 使用状況

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

shell-health = 健全性を取得
shell-metric = メトリクスを取得

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

usage-about = クラスターの健全性と、プランまたはプロジェクトのクォータに対する使用状況です。
