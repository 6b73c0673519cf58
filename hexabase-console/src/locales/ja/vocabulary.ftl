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
