# Words of the model. Pages use these and no others.

phase-pending = 待機中
phase-provisioning = 作成中
phase-ready = 稼働中
phase-updating = 更新中
phase-suspending = 停止処理中
phase-suspended = 停止中
phase-resuming = 再開処理中
phase-degraded = 不安定
phase-failed = 失敗
phase-deleting = 削除中

role-owner = オーナー
role-admin = 管理者
role-billing = 請求担当
role-member = メンバー

resource-cpu = CPU（コア）
resource-memory = メモリ
resource-storage = ストレージ
resource-ephemeral-storage = 一時ストレージ
resource-pods = Pod
resource-services = Service
resource-load-balancers = ロードバランサー
resource-persistent-volume-claims = PersistentVolumeClaim
resource-secrets = Secret
resource-config-maps = ConfigMap

count-members = { $count } 人

# Times in UTC.
time-day = { $year }年{ $month }月{ $day }日
time-minute = { $year }年{ $month }月{ $day }日 { $time } UTC
time-seconds = { $count } 秒
time-minutes = { $count } 分
time-hours = { $count } 時間
time-days = { $count } 日

# 拒否または待機の理由。

denial-role = あなたのロールでは許可されていません
denial-scope = トークンのスコープに含まれていません
denial-service-account = サービスアカウントではできません。代わりに組織が削除します
reason-applied = 適用済み
reason-namespace-taken = プロジェクトの名前空間が別のものに使われています
reason-synced = 指定どおり
rule-ascii-email = ann@example.com のような ASCII のメールアドレスを入力してください。国際化ドメインは xn-- 形式で入力してください
rule-display-length = 1~128 文字で入力してください
rule-dns-label = 英小文字、数字、ハイフンを 1~63 文字で入力してください。先頭と末尾は英小文字か数字にしてください
rule-email = ann@example.com のようなメールアドレスを入力してください
rule-extended-resource = nvidia.com/gpu や hugepages-2Mi のような拡張リソースまたはヒュージページを入力してください
rule-group-name = ASCII の英字、数字、ピリオド、アンダースコア、ハイフンを 1~63 文字で入力してください。先頭は英字か数字にしてください
rule-image-source = docker.io/library や registry.example:5000 のようなレジストリまたはそのパスを入力してください
rule-invisible = 制御文字や文字の方向を変える文字は使えません
rule-kubernetes-version = 1.36 のような Kubernetes のマイナーバージョンを入力してください
rule-language = en のような 2~3 文字の英小文字の言語コード（ISO 639）を入力してください
rule-managed-object = オブジェクトの ID、またはメンバーシップの場合はグループとユーザーの ID をスラッシュで区切って入力してください
rule-other = 値が正しくありません: { $rule }
rule-reserved-namespace = default、kube-…、ws-… など、Kubernetes やワークスペースの名前空間の名前は使えません
rule-reserved-project = default、hexabase、kube-…、hexabase-… は予約された名前です
rule-white-space = 先頭や末尾に空白は使えません
wait-api-server = API サーバーがまだ応答していません
wait-changing-nodes = ノードを変更しています
wait-control-plane-missing = コントロールプレーンはまだ作成されていません
wait-controllers = コントローラーを起動しています
wait-deleting = クラスターを削除しています
wait-free-nodes = ノードプールに使える空きノードがホストにありません
wait-image = コントロールプレーンのイメージをまだ取得していません
wait-kubeconfig = コントロールプレーンはまだ kubeconfig を書き出していません
wait-load-balancer = ロードバランサーにはまだアドレスがありません
wait-namespace-terminating = ホスト上の以前の名前空間を削除しています
wait-node = コントロールプレーンの Pod を受け入れるノードがホストクラスターにまだありません
wait-object = コントロールプレーンの Pod が存在しないオブジェクトを参照しています
wait-permissions = 名前空間の権限がまだ有効になっていません
wait-pod-crashing = コントロールプレーンがクラッシュし、再起動しています
wait-pod-missing = コントロールプレーンの Pod はまだ作成されていません
wait-pod-starting = コントロールプレーンの Pod を起動しています
wait-project-namespace = 同じ名前の以前の名前空間を削除しています
wait-releasing-nodes = ノードをドレインしています
wait-rolling-out = コントロールプレーンを置き換えています
wait-stopping = コントロールプレーンとワークロードを停止しています
wait-tenant-objects = テナントクラスター内のオブジェクトを適用しています
wait-volume = コントロールプレーンのボリュームはまだバインドされていません
